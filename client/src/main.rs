//! The command `candor`; all of it is in the library, where tests reach it.

fn main() -> std::process::ExitCode {
    candor_client::cli::main()
}
