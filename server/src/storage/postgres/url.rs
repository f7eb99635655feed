//! Where the database is. It may hold a password, so it is never shown whole.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// The address of a Postgres database: `postgres://USER@HOST:PORT/DATABASE`. What is left out comes from the usual
/// environment of Postgres' clients (`PGHOST`, `PGPASSWORD`, …) and from the user's `.pgpass`.
#[derive(Clone)]
pub struct DatabaseUrl(Box<PgConnectOptions>);

/// Text that is no such address. It may hold a password, so it is not repeated.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is no address of a Postgres database, such as postgres://candor@db.example.org/candor: {0}"
)]
pub struct DatabaseUrlError(String);

impl DatabaseUrl {
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;
    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if text.is_empty() {
            return Err(DatabaseUrlError("it is empty".to_owned()));
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(DatabaseUrlError(
                "it must begin with postgres://".to_owned(),
            ));
        }
        let options = text
            .parse::<PgConnectOptions>()
            .map_err(|error| DatabaseUrlError(error.to_string()))?;
        // Administrators see whose connections there are.
        Ok(Self(Box::new(match options.get_application_name() {
            None => options.application_name("candor-server"),
            Some(_) => options,
        })))
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = DatabaseUrlError;
    fn try_from(text: String) -> Result<Self, DatabaseUrlError> {
        text.parse()
    }
}

/// Where it is, without who asks and how.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.0;
        let database = options.get_database().unwrap_or(options.get_username());
        match options.get_socket() {
            Some(socket) => write!(f, "the database {database} at {}", socket.display()),
            None => write!(
                f,
                "the database {database} at {}:{}",
                options.get_host(),
                options.get_port()
            ),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}
