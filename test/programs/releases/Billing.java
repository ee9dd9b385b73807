// SPDX-License-Identifier: Apache-2.0
// The same in Java: as a jar whose manifest has Main-Class; PRICE is replaced before it is compiled.
import java.lang.management.ManagementFactory;

public class Billing {
  static final int PRICE = 40;
  static long sink;

  static long parse(long x) {
    for (int i = 0; i < 30 * 1000; i++) x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
  }

  static long price(long x) {
    for (int i = 0; i < PRICE * 1000; i++) x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
  }

  static long render(long x) {
    for (int i = 0; i < 30 * 1000; i++) x = x * 6364136223846793005L + 1442695040888963407L;
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
