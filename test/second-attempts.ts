// SPDX-License-Identifier: Apache-2.0
// Tests that measure share their machine with others and may fail for it: each may be tried twice. Which were is said, so
// that one that needs it again and again is found.
import type { Reporter, TestCase } from 'vitest/node';

export class SecondAttempts implements Reporter {
  readonly #tests: TestCase[] = [];

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky) this.#tests.push(test);
  }

  onTestRunEnd(): void {
    if (this.#tests.length === 0) return;
    console.log(`\npassed at the second attempt: ${this.#tests.length}`);
    for (const test of this.#tests) {
      const { message } = test.result().errors?.[0] ?? {};
      console.log(`  ${test.module.relativeModuleId} > ${test.fullName}: ${message?.split('\n')[0] ?? ''}`);
    }
  }
}
