//! Where the database is. It may hold a password, so it is never shown whole.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// What an address may set behind its `?`, beside `options[NAME]`.
const PARAMETERS: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-mode",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

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
    pub(crate) fn options(&self) -> &PgConnectOptions {
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
        if has_stray_at(text) {
            return Err(DatabaseUrlError(
                "an @ stands behind its server's name; what is special in a user's name or a password is written with percent signs: / is %2F, @ is %40"
                    .to_owned(),
            ));
        }
        if has_unknown_parameter(text) {
            return Err(DatabaseUrlError(format!(
                "it sets what is not known; it may set {}",
                PARAMETERS.join(", ")
            )));
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

/// Whether there is an `@` behind the authority (RFC 3986, section 3.2). Then a password may end before it that has a `/`,
/// `?` or `#` in it: URLs take its rest for the name of a database, which is shown.
fn has_stray_at(url: &str) -> bool {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    behind_scheme
        .find(['/', '?', '#'])
        .is_some_and(|end| behind_scheme[end..].contains('@'))
}

/// Whether something is set that would be passed over: a misspelt `sslmode` must not be a connection without TLS.
fn has_unknown_parameter(url: &str) -> bool {
    let query = url.split('#').next().and_then(|url| url.split_once('?'));
    let names = query.map(|(_, query)| query.split('&'));
    names.into_iter().flatten().any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        !PARAMETERS.contains(&name) && !name.starts_with("options[")
    })
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
