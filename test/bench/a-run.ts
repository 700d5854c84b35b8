/** Runs for tests of what is made of them. */
import type { Answer } from '../../bench/support/protocol.ts'
import type { SavedCase, SavedRun } from '../../bench/support/saved-run.ts'

export function answerOf(operations: number, more: Partial<Answer> = {}): Answer {
  return { operations, seconds: 10, bytes: operations * 100, figures: {}, ...more }
}

/** Contestants with operations of ten seconds each. */
export function caseOf(id: string, rates: Readonly<Record<string, readonly number[]>>): SavedCase {
  return {
    id,
    entries: Object.entries(rates).map(([entry, rounds]) => ({
      entry,
      answers: rounds.map(operations => answerOf(operations)),
    })),
  }
}

export function runOf(...cases: readonly SavedCase[]): SavedRun {
  return {
    machine: {
      cpu: 'a processor',
      cores: 2,
      memoryGiB: 24,
      system: 'linux',
      node: 'v20',
      fileSystem: 'ext4',
      commit: 'abc1234',
      pocketmq: '0.1.0',
      date: '2026-01-01',
      load1: 0,
    },
    versions: { pocketmq: 'this commit', rocketmq: 'skipped: java is not installed' },
    settings: { seconds: 10, warmUpSeconds: 2, rounds: 2 },
    cases,
    codec: [],
  }
}
