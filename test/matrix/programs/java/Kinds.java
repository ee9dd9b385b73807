// SPDX-License-Identifier: Apache-2.0

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.IntStream;
import java.util.zip.Deflater;

/**
 * Kinds SECONDS NAME=WEIGHT...: as native/main.c, for what Java has of its own. Compiled for Java 8, so that every
 * runtime takes it; virtual threads are reached by reflection.
 */
public final class Kinds {
  interface Kind {
    void run(double seconds) throws Exception;
  }

  static volatile long sink;

  static long spin(long x, int turns) {
    for (int i = 0; i < turns; i++) x = x * 6364136223846793005L + 1442695040888963407L;
    return x;
  }

  /** By the clock: the time that a thread was on the CPU takes a call into the runtime to learn. */
  static void burn(double seconds) {
    final long done = System.nanoTime() + (long) (seconds * 1e9);
    long x = 1;
    while (System.nanoTime() < done) x = spin(x, 2000);
    sink = x;
  }

  static int recurse(int depth, double seconds) {
    if (depth == 1) {
      burn(seconds);
      return 1;
    }
    return recurse(depth - 1, seconds) + 1;
  }

  static void viaRecursion(double seconds) {
    sink += recurse(80, seconds);
  }

  interface Shape {
    void draw(double seconds);
  }

  static final class Square implements Shape {
    @Override
    public void draw(double seconds) {
      burn(seconds);
    }
  }

  static final class Circle implements Shape {
    @Override
    public void draw(double seconds) {
      burn(seconds);
    }
  }

  static final class Picture implements Shape {
    final Shape[] shapes;

    Picture(Shape... shapes) {
      this.shapes = shapes;
    }

    @Override
    public void draw(double seconds) {
      for (Shape shape : shapes) shape.draw(seconds / shapes.length);
    }
  }

  /** Three implementations at one call: it goes through the interface's table. */
  static void viaInterface(double seconds) {
    final Shape all = new Picture(new Square(), new Circle(), new Picture(new Square()));
    all.draw(seconds);
  }

  static void viaLambda(double seconds) {
    final DoubleUnaryOperator body =
        wanted -> {
          burn(wanted);
          return wanted;
        };
    sink += (long) body.andThen(done -> done * 2).applyAsDouble(seconds);
  }

  static void viaStream(double seconds) {
    sink +=
        IntStream.range(0, 4)
            .map(
                i -> {
                  burn(seconds / 4);
                  return i;
                })
            .sum();
  }

  /** Burns while an exception takes the stack down. */
  static void throwing(int depth, double seconds) {
    try {
      if (depth == 0) throw new IllegalStateException("unwound");
      throwing(depth - 1, seconds);
    } finally {
      burn(seconds);
    }
  }

  static void viaExceptions(double seconds) {
    try {
      throwing(9, seconds / 10);
    } catch (IllegalStateException unwound) {
      sink++;
    }
  }

  static int compareSlowly(Integer a, Integer b) {
    sink = spin(sink, 200);
    return a.compareTo(b);
  }

  static void viaSort(double seconds) {
    final long done = System.nanoTime() + (long) (seconds * 1e9);
    final Comparator<Integer> slowly = Kinds::compareSlowly;
    while (System.nanoTime() < done) {
      final List<Integer> numbers = new ArrayList<>();
      for (int i = 0; i < 100; i++) numbers.add(i * 7919 % 100);
      numbers.sort(slowly);
    }
  }

  static void viaLibrary(double seconds) {
    final long done = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < done) {
      final Map<String, Double> prices = new HashMap<>();
      for (int i = 0; i < 50; i++) prices.merge("price of item " + i * 7919 % 50, i * 1.1, Double::sum);
      final StringBuilder out = new StringBuilder();
      prices.forEach((item, price) -> out.append(item).append(' ').append(price).append('\n'));
      sink += out.toString().split("\n").length;
    }
  }

  /** Code of the runtime's own, which has no frame as methods have. */
  static double sines(int turns) {
    double sum = 0;
    for (int i = 0; i < turns; i++) sum += Math.sin(i) + Math.pow(i, 1.1);
    return sum;
  }

  static void viaIntrinsics(double seconds) {
    final long done = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < done) sink += (long) sines(1000);
  }

  static int copies(int[] from, int[] to) {
    System.arraycopy(from, 1, to, 0, from.length - 1);
    Arrays.fill(from, to[3]);
    return Arrays.equals(from, to) ? 1 : 0;
  }

  static void viaArrays(double seconds) {
    final int[] from = new int[5_000];
    final int[] to = new int[5_000];
    final long done = System.nanoTime() + (long) (seconds * 1e9);
    while (System.nanoTime() < done) sink += copies(from, to);
  }

  /** Through JNI into a native library, and most of the time there. */
  static void viaNative(double seconds) {
    final byte[] text = new byte[100_000];
    for (int i = 0; i < text.length; i++) text[i] = (byte) (i * i);
    final byte[] out = new byte[200_000];
    final long done = System.nanoTime() + (long) (seconds * 1e9);
    final Deflater deflater = new Deflater();
    while (System.nanoTime() < done) {
      deflater.reset();
      deflater.setInput(text);
      deflater.finish();
      sink += deflater.deflate(out);
    }
    deflater.end();
  }

  public static void reflected(double seconds) {
    burn(seconds);
  }

  static void viaReflection(double seconds) throws Exception {
    final Method method = Kinds.class.getMethod("reflected", double.class);
    for (int i = 0; i < 4; i++) method.invoke(null, seconds / 4);
  }

  static void inThread(double seconds) {
    burn(seconds);
  }

  static void viaThread(double seconds) throws Exception {
    final Thread thread = new Thread(() -> inThread(seconds), "kinds-thread");
    thread.start();
    thread.join();
  }

  static void inVirtualThread(double seconds) {
    burn(seconds / 2);
    Thread.yield();
    recurse(40, seconds / 2);
  }

  static void viaVirtualThread(double seconds) throws Exception {
    final Runnable body = () -> inVirtualThread(seconds);
    final Method start = Thread.class.getMethod("startVirtualThread", Runnable.class);
    ((Thread) start.invoke(null, body)).join();
  }

  static void viaSynchronized(double seconds) {
    synchronized (Kinds.class) {
      burn(seconds);
    }
  }

  static void deeper(int depth, Kind wait, double seconds) throws Exception {
    if (depth == 0) wait.run(seconds);
    else deeper(depth - 1, wait, seconds);
  }

  static void sleeps(double seconds) throws InterruptedException {
    Thread.sleep((long) (seconds * 1000));
  }

  static void viaSleep(double seconds) throws Exception {
    deeper(20, Kinds::sleeps, seconds);
  }

  static void waits(double seconds) throws InterruptedException {
    final Object never = new Object();
    synchronized (never) {
      for (; ; ) never.wait();
    }
  }

  static void parks(double seconds) {
    for (; ; ) LockSupport.park();
  }

  static void inWaitingThread(Kind wait) {
    try {
      deeper(20, wait, 0);
    } catch (Exception unexpected) {
      throw new IllegalStateException(unexpected);
    }
  }

  static boolean waiting;

  /** One thread in a monitor, one parked; for ever. */
  static void viaWait(double seconds) {
    if (waiting) return;
    waiting = true;
    for (Kind wait : new Kind[] {Kinds::waits, Kinds::parks}) {
      final Thread thread = new Thread(() -> inWaitingThread(wait), "kinds-waiting");
      thread.setDaemon(true);
      thread.start();
    }
  }

  private static Map<String, Kind> kinds() {
    final Map<String, Kind> kinds = new HashMap<>();
    kinds.put("recursion", Kinds::viaRecursion);
    kinds.put("interface", Kinds::viaInterface);
    kinds.put("lambda", Kinds::viaLambda);
    kinds.put("stream", Kinds::viaStream);
    kinds.put("exceptions", Kinds::viaExceptions);
    kinds.put("sort", Kinds::viaSort);
    kinds.put("library", Kinds::viaLibrary);
    kinds.put("intrinsics", Kinds::viaIntrinsics);
    kinds.put("arrays", Kinds::viaArrays);
    kinds.put("native", Kinds::viaNative);
    kinds.put("reflection", Kinds::viaReflection);
    kinds.put("thread", Kinds::viaThread);
    kinds.put("virtual_thread", Kinds::viaVirtualThread);
    kinds.put("synchronized", Kinds::viaSynchronized);
    kinds.put("sleep", Kinds::viaSleep);
    kinds.put("wait", Kinds::viaWait);
    return kinds;
  }

  public static void main(String[] arguments) throws Exception {
    final Map<String, Kind> kinds = kinds();
    final int turns = arguments.length - 1;
    final Kind[] kind = new Kind[turns];
    final double[] weight = new double[turns];
    double sum = 0;
    for (int i = 0; i < turns; i++) {
      final String[] parts = arguments[i + 1].split("=");
      kind[i] = kinds.get(parts[0]);
      if (kind[i] == null) throw new IllegalArgumentException(parts[0]);
      weight[i] = Double.parseDouble(parts[1]);
      sum += weight[i];
    }
    System.out.println("ready");
    final long until = System.nanoTime() + (long) (Double.parseDouble(arguments[0]) * 1e9);
    int random = 1;
    while (System.nanoTime() < until) {
      // Rounds of one length could beat with the sampling clock, which would then see one kind more often.
      random = random * 1664525 + 1013904223;
      final double length = 0.4 * (0.5 + (random >>> 8) / 16777216.0);
      for (int i = 0; i < turns; i++) kind[i].run(length * weight[i] / sum);
    }
  }
}
