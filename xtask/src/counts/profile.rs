//! Reads what callgrind wrote: instructions of one program, and how often it allocated.
//!
//! ```text
//!   ob=/path/of/program         the functions that follow are in this file
//!   fn=core::store::submit
//!   12 340                      340 instructions of its own, at line 12
//!   cob=/lib/libc.so.6
//!   cfn=malloc
//!   calls=7 30                  it has called that 7 times, also while the tool did not look
//!   12 2100                     which took 2100 in all: those count where they were executed
//! ```

/// What asks for memory, or for more of it. Each is a single jump to the allocator, so that its own
/// instructions are its calls; `calls=` would also have those made while the tool did not look.
const ALLOCATORS: [&str; 3] = [
    "__rustc::__rust_alloc",
    "__rustc::__rust_alloc_zeroed",
    "__rustc::__rust_realloc",
];

/// What happened while the tool looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Count {
    /// Instructions in the program's own file.
    pub(crate) instructions: u64,
    /// Of these, calls that ask for memory, or for more of it.
    pub(crate) allocations: u64,
}

/// Sums up the file of a walk of this program.
pub(crate) fn read(text: &str, program: &str) -> Count {
    let mut count = Count::default();
    let (mut own, mut allocates, mut of_a_call) = (false, false, false);
    for line in text.lines() {
        match line.split_once('=') {
            Some(("ob", object)) => own = object == program,
            Some(("fn", function)) => allocates = ALLOCATORS.contains(&function),
            Some(("calls", _)) => of_a_call = true,
            // Files, lines of a header, who is called.
            Some(_) => {}
            None => {
                let cost = cost_of(line).filter(|_| own && !of_a_call).unwrap_or(0);
                count.instructions += cost;
                count.allocations += if allocates { cost } else { 0 };
                of_a_call = false;
            }
        }
    }
    count
}

/// The second of two numbers.
fn cost_of(line: &str) -> Option<u64> {
    let (position, cost) = line.split_once(' ')?;
    position.parse::<u64>().ok()?;
    cost.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 1
creator: callgrind-3.19.0
cmd: /t/counts store.submit
positions: line
events: Ir
summary: 99999

ob=/t/counts
fl=a.rs
fn=counts::a
12 340
cfn=__rustc::__rust_alloc
calls=90 0
12 2100
13 5
cfn=counts::b
calls=1 1
14 10000
fn=__rustc::__rust_alloc
0 7
cob=/lib/libc.so.6
cfi=malloc.c
cfn=malloc
calls=90 30
0 2000
ob=/lib/libc.so.6
fn=malloc
30 2000
cfn=malloc_consolidate
calls=9 30
31 100

ob=/t/counts
fn=counts::b
fi=other.rs
1 55

totals: 99999
";

    #[test]
    fn only_the_programs_own_instructions_count_and_only_once() {
        let expected = Count {
            instructions: 340 + 5 + 7 + 55,
            allocations: 7,
        };
        assert_eq!(read(FILE, "/t/counts"), expected);
    }

    #[test]
    fn another_program_has_done_nothing() {
        assert_eq!(read(FILE, "/t/other"), Count::default());
    }
}
