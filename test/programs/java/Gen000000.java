// SPDX-License-Identifier: Apache-2.0
import java.util.function.IntBinaryOperator;

/** What Reloads makes classes from: its number is replaced, in names too, and lines are moved down. */
public final class Gen000000 implements IntBinaryOperator {
  private static int sum;

  public int applyAsInt(int turns, int odd) {
    return a000000(turns, odd); // of a
  }

  static int a000000(int turns, int odd) {
    int found = 0; // of a
    for (int turn = 0; turn < turns; turn++) found += b000000(turn, odd) & 1; // of a
    return found; // of a
  }

  static int b000000(int turn, int odd) {
    int found = sum; // of b
    for (int step = 0; step < 8; step++) found = c000000(found, turn + step); // of b
    // Not taken while the method is compiled: the code is thrown away when it is.
    if (odd != 0) found += c000000(odd, found); // of b
    sum = found; // of b
    return found; // of b
  }

  static int c000000(int value, int by) {
    int mixed = value; // of c
    for (int bit = 0; bit < 12; bit++) mixed = mixed * 31 + (by ^ mixed >>> 3); // of c
    return mixed; // of c
  }
}
