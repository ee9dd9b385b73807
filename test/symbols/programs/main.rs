// SPDX-License-Identifier: Apache-2.0
mod shapes {
    pub struct Square(pub u64);

    impl Square {
        #[inline(never)]
        pub fn area(&self) -> u64 {
            widen(self.0) * widen(self.0)
        }
    }

    #[inline(always)]
    fn widen(side: u64) -> u64 {
        std::hint::black_box(side) + 1
    }
}

fn main() {
    let square = shapes::Square(std::env::args().count() as u64);
    println!("{}", square.area());
}
