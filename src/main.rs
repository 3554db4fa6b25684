//! The program: arguments in, exit code out. Everything else is the library's.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    loligo::cli::main()
}
