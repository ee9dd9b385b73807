// SPDX-License-Identifier: Apache-2.0
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntBinaryOperator;

/**
 * Reloads FOLDER... SECONDS: in two threads, makes classes from the templates Gen000000.class in the folders, the class
 * of number n from the one at n modulo their count, runs each for a while in a loader of its own, and forgets it, so
 * that another class gets its memory. One in sixteen stays until 32 others do, and runs again and again.
 */
public final class Reloads {
  private static final byte[] PLACEHOLDER = "000000".getBytes(StandardCharsets.US_ASCII);
  private static final AtomicInteger NUMBER = new AtomicInteger();
  private static byte[][] templates;

  private static final class Loader extends ClassLoader {
    IntBinaryOperator make(int number) throws ReflectiveOperationException {
      byte[] content = templates[number % templates.length].clone();
      byte[] digits = String.format("%06d", number).getBytes(StandardCharsets.US_ASCII);
      for (int at = 0; at + digits.length <= content.length; at++)
        if (matches(content, at)) System.arraycopy(digits, 0, content, at, digits.length);
      Class<?> made = defineClass(null, content, 0, content.length);
      return (IntBinaryOperator) made.getConstructor().newInstance();
    }

    private static boolean matches(byte[] content, int at) {
      for (int i = 0; i < PLACEHOLDER.length; i++) if (content[at + i] != PLACEHOLDER[i]) return false;
      return true;
    }
  }

  private static void run(IntBinaryOperator made, long nanoseconds) {
    long end = System.nanoTime() + nanoseconds;
    for (int round = 0; System.nanoTime() < end; round++) made.applyAsInt(200, round % 64 == 63 ? 1 : 0);
  }

  private static void churn(long until, Random random) {
    IntBinaryOperator[] kept = new IntBinaryOperator[32];
    try {
      for (int turn = 0; System.nanoTime() < until; turn++) {
        IntBinaryOperator made = new Loader().make(NUMBER.getAndIncrement());
        // Most stay in the interpreter, some are compiled once, some again and again.
        run(made, 250_000L << random.nextInt(7));
        if (turn % 16 == 0) kept[turn / 16 % kept.length] = made;
        for (int i = 0; i < 4; i++) {
          IntBinaryOperator old = kept[random.nextInt(kept.length)];
          if (old != null) run(old, 1_000_000);
        }
        if (turn % 32 == 0) System.gc();
      }
    } catch (ReflectiveOperationException error) {
      throw new AssertionError(error);
    }
  }

  public static void main(String[] arguments) throws Exception {
    int folders = arguments.length - 1;
    templates = new byte[folders][];
    for (int i = 0; i < folders; i++)
      templates[i] = Files.readAllBytes(Paths.get(arguments[i], "Gen000000.class"));
    long until = System.nanoTime() + 1_000_000_000L * Integer.parseInt(arguments[folders]);
    Thread other = new Thread(() -> churn(until, new Random(1)));
    other.start();
    churn(until, new Random(2));
    other.join();
    System.err.println(NUMBER.get() + " classes");
  }
}
