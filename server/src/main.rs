//! The `saltpeter` command.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Every line of output is several small allocations that other threads free: see docs/decisions/.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    saltpeter_server::cli::main()
}
