//! The `saltpeter` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    saltpeter_server::cli::main()
}
