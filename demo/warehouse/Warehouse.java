// SPDX-License-Identifier: Apache-2.0
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Plans delivery routes and packs boxes, then waits for the next order. About 20 % of a core. */
public final class Warehouse {
  private record Stop(double x, double y) {}

  private final Random random = new Random(42);
  private final Map<String, Integer> shelves = new HashMap<>();

  public static void main(String[] args) throws InterruptedException {
    Warehouse warehouse = new Warehouse();
    long shipped = 0;
    while (!Thread.currentThread().isInterrupted()) {
      shipped += warehouse.fulfilOrder();
      waitForOrder();
    }
    System.out.println(shipped);
  }

  private static void waitForOrder() throws InterruptedException {
    Thread.sleep(22);
  }

  private long fulfilOrder() {
    List<Stop> stops = new ArrayList<>();
    for (int i = 0; i < 200; i++) stops.add(new Stop(random.nextDouble(), random.nextDouble()));
    return (long) planRoute(stops) + packBoxes(9000) + countShelves();
  }

  /** Nearest neighbour, then pairs swapped while that makes it shorter. */
  private double planRoute(List<Stop> stops) {
    for (int round = 0; round < 6; round++)
      for (int i = 1; i < stops.size() - 1; i++)
        for (int k = i + 1; k < stops.size(); k++) improveRoute(stops, i, k);
    double length = 0;
    for (int i = 1; i < stops.size(); i++) length += distance(stops.get(i - 1), stops.get(i));
    return length;
  }

  private void improveRoute(List<Stop> stops, int i, int k) {
    Stop before = stops.get(i - 1);
    if (distance(before, stops.get(k)) < distance(before, stops.get(i))) {
      Stop moved = stops.get(i);
      stops.set(i, stops.get(k));
      stops.set(k, moved);
    }
  }

  private static double distance(Stop a, Stop b) {
    return Math.hypot(a.x - b.x, a.y - b.y);
  }

  /** First fit. */
  private int packBoxes(int items) {
    List<Integer> boxes = new ArrayList<>();
    for (int i = 0; i < items; i++) {
      int size = 1 + random.nextInt(40);
      if (!placeInBox(boxes, size)) boxes.add(100 - size);
    }
    return boxes.size();
  }

  private static boolean placeInBox(List<Integer> boxes, int size) {
    for (int b = Math.max(0, boxes.size() - 60); b < boxes.size(); b++)
      if (boxes.get(b) >= size) {
        boxes.set(b, boxes.get(b) - size);
        return true;
      }
    return false;
  }

  private int countShelves() {
    for (int i = 0; i < 5000; i++) shelves.merge("shelf-" + random.nextInt(5000), 1, Integer::sum);
    int full = 0;
    for (int count : shelves.values()) if (count > 3) full++;
    return full;
  }
}
