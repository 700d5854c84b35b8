import { expect } from 'vitest'

/** `expect(actual, what).toBe(expected)`, where it nearly always is: looking costs nothing, saying does. */
export function mustBe(actual: unknown, expected: unknown, what: string): void {
  if (!Object.is(actual, expected)) expect(actual, what).toBe(expected)
}
