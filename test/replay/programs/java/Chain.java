// SPDX-License-Identifier: Apache-2.0
// Calls of several kinds, down to a loop that does not end: static, recursive, through an interface, virtual, a
// constructor, a lock, reflection.
import java.lang.reflect.Method;

public class Chain {
  static boolean goesOn = true;

  interface Shape {
    long area(long side);
  }

  static class Square implements Shape {
    public long area(long side) {
      return new Corner(side).value + 1;
    }
  }

  static class Corner {
    final long value;

    Corner(long side) {
      value = measure(side) + 2;
    }

    long measure(long side) {
      synchronized (this) {
        return spin(side) + 3;
      }
    }
  }

  static long spin(long x) {
    while (goesOn) x = x * 31 + 7;
    return x;
  }

  static long recurse(int times, Shape shape) {
    return times == 0 ? shape.area(times) + 4 : recurse(times - 1, shape) + 5;
  }

  public static Object reflected(Object shape) {
    return recurse(6, (Shape) shape) + 6;
  }

  public static void main(String[] arguments) throws Exception {
    Method method = Chain.class.getMethod("reflected", Object.class);
    System.out.println(method.invoke(null, new Square()));
  }
}
