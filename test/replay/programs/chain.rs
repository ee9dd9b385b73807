// SPDX-License-Identifier: Apache-2.0
// Calls through an iterator, a trait object, recursion and a caught panic's frame, in a thread of its own or not.
use std::hint::black_box;
use std::panic::{catch_unwind, AssertUnwindSafe};

#[no_mangle]
#[inline(never)]
extern "C" fn innermost(number: u64) -> u64 {
    black_box(number) + 1
}

trait Shape {
    fn area(&self) -> u64;
}

struct Square(u64);

impl Shape for Square {
    #[inline(never)]
    fn area(&self) -> u64 {
        let room = black_box([self.0; 40]);
        (0..3).map(|i| innermost(room[i])).sum::<u64>() + 2
    }
}

#[inline(never)]
fn recurse(times: u64, shape: &dyn Shape) -> u64 {
    if times == 0 {
        catch_unwind(AssertUnwindSafe(|| shape.area())).unwrap_or(0)
    } else {
        recurse(times - 1, shape) + black_box(times)
    }
}

fn all() -> u64 {
    recurse(5, black_box(&Square(3)))
}

fn main() {
    let result = match std::env::args().len() {
        1 => all(),
        _ => std::thread::spawn(all).join().unwrap(),
    };
    println!("{result}");
}
