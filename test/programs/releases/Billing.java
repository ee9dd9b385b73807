// SPDX-License-Identifier: Apache-2.0
// The same in Java: as a jar whose manifest has Main-Class; PRICE is replaced before it is compiled.
import java.lang.management.ManagementFactory;

public class Billing {
  static final int PRICE = 40;
  static long sink;

  static long state = 1;

  /** Between half and one and a half of it: see orders.cc. */
  static int roundsOf(int rounds) {
    state = state * 6364136223846793005L + 1442695040888963407L;
    return rounds * (500 + (int) ((state >>> 33) % 1000));
  }

  static long parse(long x) {
    for (int left = roundsOf(30); left > 0; left--) x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
  }

  static long price(long x) {
    for (int left = roundsOf(PRICE); left > 0; left--) x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
  }

  static long render(long x) {
    for (int left = roundsOf(30); left > 0; left--) x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
  }

  static void handle(long x) {
    sink = render(price(parse(x)));
  }

  public static void main(String[] args) {
    long until = (long) (1e9 * Double.parseDouble(args[0]));
    do {
      for (int i = 0; i < 100; i++) handle(i);
    } while (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() < until);
  }
}
