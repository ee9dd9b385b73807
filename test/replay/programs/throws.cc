// SPDX-License-Identifier: Apache-2.0
// An exception on its way through frames that clean up.
struct Cleaned {
  int number;
  __attribute__((noipa)) ~Cleaned();
};

volatile int cleaned_up;

Cleaned::~Cleaned() { cleaned_up = number; }

__attribute__((noinline)) int thrower(int number) {
  if (number > 0) throw number;
  return number;
}

__attribute__((noinline)) int through(int number) {
  Cleaned cleaned{number};
  return thrower(number) + cleaned.number;
}

int main(int count, char **) {
  try {
    return through(count);
  } catch (int number) {
    return number - 1;
  }
}
