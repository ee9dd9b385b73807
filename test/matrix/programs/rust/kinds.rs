// SPDX-License-Identifier: Apache-2.0
// kinds SECONDS NAME=WEIGHT...: as native/main.c, for what Rust has of its own.
use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// CPU time of the calling thread.
#[inline(always)]
fn cpu_seconds() -> f64 {
    let mut time = [0i64; 2];
    // SAFETY: the C library writes two words to where it is told.
    unsafe { clock_gettime(3, &mut time) };
    time[0] as f64 + time[1] as f64 * 1e-9
}

unsafe extern "C" {
    fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
}

fn spin(mut x: u64, turns: u32) -> u64 {
    for _ in 0..turns {
        x = black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1));
    }
    x
}

#[inline(never)]
fn burn(seconds: f64) {
    let done = cpu_seconds() + seconds;
    while cpu_seconds() < done {
        spin(1, 10_000);
    }
    black_box(());
}

#[inline(never)]
fn with_closure<F: Fn(f64) -> bool>(body: F, seconds: f64) -> bool {
    black_box(body(seconds))
}

#[inline(never)]
fn via_closures(seconds: f64) {
    let mut calls = 0u32;
    let boxed: Box<dyn FnMut(f64) -> bool> = Box::new(|wanted| {
        calls += 1;
        burn(wanted);
        black_box(true)
    });
    let cell = std::cell::RefCell::new(boxed);
    with_closure(|wanted| black_box((cell.borrow_mut())(wanted)), seconds);
}

trait Shape {
    fn draw(&self, seconds: f64) -> u32;
}
struct Square;
impl Shape for Square {
    #[inline(never)]
    fn draw(&self, seconds: f64) -> u32 {
        burn(seconds);
        black_box(1)
    }
}
struct Picture {
    shapes: Vec<Box<dyn Shape>>,
}
impl Shape for Picture {
    #[inline(never)]
    fn draw(&self, seconds: f64) -> u32 {
        let each = seconds / self.shapes.len() as f64;
        self.shapes.iter().map(|shape| black_box(shape.draw(each))).sum()
    }
}
#[inline(never)]
fn via_dyn(seconds: f64) {
    let picture: Box<dyn Shape> = Box::new(Picture { shapes: vec![Box::new(Square), Box::new(Square)] });
    black_box(black_box(picture).draw(seconds));
}

#[inline(never)]
fn compare_slowly(a: &u32, b: &u32) -> std::cmp::Ordering {
    spin(1, 500);
    a.cmp(b)
}
#[inline(never)]
fn via_sort(seconds: f64) {
    let done = cpu_seconds() + seconds;
    while cpu_seconds() < done {
        let mut numbers: Vec<u32> = (0..100).map(|i| i * 7919 % 100).collect();
        numbers.sort_by(compare_slowly);
        black_box(numbers);
    }
}

#[inline(never)]
fn via_hash_map(seconds: f64) {
    let done = cpu_seconds() + seconds;
    while cpu_seconds() < done {
        let mut prices: HashMap<String, f64> = HashMap::new();
        for i in 0..50 {
            *prices.entry(format!("price of item {}", i * 7919 % 50)).or_default() += f64::from(i) * 1.1;
        }
        let mut out = String::new();
        for (item, price) in &prices {
            let _ = write!(out, "{item} {price:.3}");
        }
        black_box(out);
    }
}

/// Burns while a panic takes the stack down.
struct Guard(f64);
impl Drop for Guard {
    #[inline(never)]
    fn drop(&mut self) {
        burn(self.0);
        black_box(());
    }
}
#[inline(never)]
fn panics(depth: u32, seconds: f64) -> u32 {
    let _guard = Guard(seconds);
    if depth == 0 {
        std::panic::resume_unwind(Box::new("unwound"));
    }
    black_box(panics(depth - 1, seconds)) + 1
}
#[inline(never)]
fn via_panic(seconds: f64) {
    let caught = std::panic::catch_unwind(|| panics(9, seconds / 10.0));
    black_box(caught.is_err());
}

#[inline(never)]
fn in_thread(seconds: f64) -> bool {
    burn(seconds);
    black_box(true)
}
#[inline(never)]
fn via_thread(seconds: f64) {
    std::thread::scope(|scope| {
        scope.spawn(|| black_box(in_thread(seconds)));
    });
}

#[inline(never)]
fn recurse(depth: u32, seconds: f64) -> u32 {
    if depth == 1 {
        burn(seconds);
        return black_box(1);
    }
    black_box(recurse(depth - 1, seconds)) + 1
}
#[inline(never)]
fn via_recursion(seconds: f64) {
    black_box(recurse(100, seconds));
}

type Run = fn(f64);
const KINDS: [(&str, Run); 7] = [
    ("closures", via_closures),
    ("dyn", via_dyn),
    ("sort", via_sort),
    ("hash_map", via_hash_map),
    ("panic", via_panic),
    ("thread", via_thread),
    ("recursion", via_recursion),
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().and_then(|text| text.parse().ok()).expect("SECONDS");
    let turns: Vec<(Run, f64)> = arguments
        .map(|argument| {
            let (name, weight) = argument.split_once('=').expect("NAME=WEIGHT");
            let (_, run) = KINDS.iter().find(|kind| kind.0 == name).expect("a kind");
            (*run, weight.parse().expect("a number"))
        })
        .collect();
    let sum: f64 = turns.iter().map(|turn| turn.1).sum();
    println!("ready");
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut random = 1u32;
    while Instant::now() < until {
        // Rounds of one length could beat with the sampling clock, which would then see one kind more often.
        random = random.wrapping_mul(1664525).wrapping_add(1013904223);
        let length = 0.1 * (0.5 + f64::from(random >> 8) / 16777216.0);
        for (run, weight) in &turns {
            run(length * weight / sum);
        }
    }
}
