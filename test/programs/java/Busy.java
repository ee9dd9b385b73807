// SPDX-License-Identifier: Apache-2.0
// Burns half a CPU in a method that is compiled at once, for as many seconds as it is told.
public class Busy {
  static long burn(int turns) {
    long sum = 0;
    for (int i = 0; i < turns; i++) sum += sum * 31 + i;
    return sum;
  }

  public static void main(String[] args) throws InterruptedException {
    long until = System.nanoTime() + Long.parseLong(args[0]) * 1_000_000_000L;
    long sum = 0;
    while (System.nanoTime() < until) {
      long pause = System.nanoTime() + 2_000_000;
      while (System.nanoTime() < pause) sum += burn(10_000);
      Thread.sleep(2);
    }
    System.out.println(sum);
  }
}
