/** Harnesses that have to catch planted bugs: which files, which of their tests by name, and how many cuts at most: fewer than in `npm test`. */

/** By the name that a planted bug gives. */
export const HARNESS = {
  ENGINE: 'engine',
  MESSAGING: 'messaging',
  FAULTS: 'faults',
  RECALL: 'recall',
  BROKER: 'broker',
  STATE: 'state',
  INVARIANTS: 'invariants',
  AHEAD: 'ahead of the device',
  TOPICS: 'topics',
  SMALL_FILES: 'small files',
  OFFSETS: 'offsets',
  BYTES: 'bytes',
  BYTES_OF_BROKERS: "brokers' bytes",
  REPAIR: 'repair',
  APPEND: 'append',
  RETENTION: 'retention',
  READER: 'reader',
  TRANSACTIONS: 'transactions',
  KILLED: 'killed, then cut',
  DROPPED: 'dropped',
  ROLLED: 'rolled',
}

export const HARNESSES = {
  [HARNESS.ENGINE]: { files: ['test/crash/power-cut-engine.test.ts'], cuts: 9000 },
  [HARNESS.MESSAGING]: { files: ['test/crash/power-cut-messaging.test.ts'], name: 'loses and repeats', cuts: 8000 },
  [HARNESS.FAULTS]: { files: ['test/crash/disk-faults.test.ts'] },
  [HARNESS.RECALL]: { files: ['test/regression/recall-on-full-device.test.ts'] },
  [HARNESS.STATE]: { files: ['test/codec/state-page.test.ts', 'test/store/state-file.test.ts'] },
  [HARNESS.INVARIANTS]: { files: ['test/crash/cut-invariants.test.ts'] },
  [HARNESS.AHEAD]: { files: ['test/crash/ahead-of-the-device.test.ts'] },
  [HARNESS.TOPICS]: { files: ['test/messaging/topics.test.ts'], name: 'falls back to the one before' },
  [HARNESS.BROKER]: { files: ['test/regression/broker-killed-early.test.ts', 'test/crash/broker-visits.test.ts'] },
  [HARNESS.SMALL_FILES]: { files: ['test/contract/file-system.test.ts'], name: 'replaced as a whole' },
  [HARNESS.OFFSETS]: { files: ['test/messaging/offset-table.test.ts'] },
  [HARNESS.BYTES]: { files: ['test/crash/bad-bytes.test.ts'], name: 'a flipped bit' },
  [HARNESS.BYTES_OF_BROKERS]: {
    files: ['test/regression/slot-of-another.test.ts', 'test/regression/log-cut-in-record.test.ts'],
  },
  [HARNESS.RETENTION]: { files: ['test/messaging/parked-is-kept.test.ts', 'test/store/retention.test.ts'] },
  [HARNESS.APPEND]: { files: ['test/store/append-path.test.ts'] },
  [HARNESS.READER]: { files: ['test/store/message-reader.test.ts'] },
  [HARNESS.TRANSACTIONS]: { files: ['test/regression/committed-twice.test.ts'] },
  [HARNESS.ROLLED]: { files: ['test/regression/rolled-while-flushed.test.ts'] },
  [HARNESS.DROPPED]: { files: ['test/regression/dropped-before-its-copy.test.ts'] },
  [HARNESS.KILLED]: {
    files: ['test/regression/killed-then-cut.test.ts', 'test/regression/deleted-group-power-cut.test.ts'],
  },
  [HARNESS.REPAIR]: { files: ['test/store/repair.test.ts', 'test/crash/repair-cut.test.ts'] },
}
