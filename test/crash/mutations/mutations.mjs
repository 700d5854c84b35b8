/** Bugs to plant: each has a name, the file, the text that goes, the text that comes, and the harness that is tried first. */

const ENGINE = 'engine'
const MESSAGING = 'messaging'
const FAULTS = 'faults'

/** Harnesses: which tests, and which of them by name. The cuts that are asked for are fewer than in `npm test`. */
export const HARNESSES = {
  [ENGINE]: { files: ['test/crash/power-cut.test.ts'], name: 'leaves the engine', cuts: 4000 },
  [MESSAGING]: { files: ['test/crash/power-cut.test.ts'], name: 'loses and repeats', cuts: 6000 },
  [FAULTS]: { files: ['test/crash/disk-faults.test.ts'], name: '', cuts: 0 },
  everything: {
    files: [
      'test/crash/power-cut',
      'test/crash/disk-faults',
      'test/crash/loops-cut',
      'test/regression',
      'test/store',
      'test/files',
    ],
    name: '',
    cuts: 10_000,
  },
}

export const MUTATIONS = [
  // ---- what is on the device when somebody is told so --------------------------------------------------------------
  {
    name: 'acknowledged before fsync',
    path: 'src/store/message-store.ts',
    before: 'this.#parts.log.flushed.reached(physicalOffset, signal)',
    after: 'this.#parts.log.written.reached(physicalOffset, signal)',
    first: ENGINE,
  },
  {
    name: 'a flush covers what was written while it ran',
    path: 'src/store/commit-log.ts',
    before: 'this.flushed.advance(target)\n    this.#sealed =',
    after: 'this.flushed.advance(this.written.value)\n    this.#sealed =',
    first: ENGINE,
  },
  {
    name: 'after a roll only the new segment is flushed',
    path: 'src/store/commit-log.ts',
    before: '    for (const { file } of sealed) await file.flush()\n',
    after: '',
    first: ENGINE,
  },
  {
    name: 'the name of a new segment is not flushed',
    path: 'src/store/commit-log.ts',
    before: 'if (hasNewNames) await this.#fileSystem.flushFolder(this.#folder)',
    after: '',
    first: ENGINE,
  },
  {
    name: 'a failed flush of the log is forgotten',
    path: 'src/store/flusher.ts',
    before: '      this.#failure = asError(error)\n      onFailure(this.#failure)\n',
    after: '      log.flushed.advance?.(log.written.value)\n',
    first: FAULTS,
  },
  {
    name: 'a checkpoint follows a failed flush of a derived file',
    path: 'src/store/checkpointer.ts',
    before: '      this.#failure = asError(error)\n      this.#parts.onFailure(this.#failure)\n      throw error',
    after: '      throw error',
    first: FAULTS,
  },
  // ---- small files -------------------------------------------------------------------------------------------------
  {
    name: 'no folder fsync after a rename',
    path: 'src/files/atomic-file.ts',
    before: '  await fileSystem.flushFolder(dirname(path))\n',
    after: '',
    first: ENGINE,
  },
  {
    name: 'a rename without a flush of the content',
    path: 'src/files/atomic-file.ts',
    before: '    await file.flush()\n',
    after: '',
    first: ENGINE,
  },
  {
    name: 'the former version of a config file is not kept',
    path: 'src/files/atomic-file.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    before: '    await fileSystem.link(path, `${path}.bak`)\n',
    after: '',
    first: 'everything',
  },
  {
    name: 'a changed group is not saved',
    path: 'src/messaging/group-records.ts',
    before: '    this.#putForBroker(forBroker)\n    await this.save()\n',
    after: '    this.#putForBroker(forBroker)\n',
    first: MESSAGING,
  },
  // ---- checkpoint, close, recovery ---------------------------------------------------------------------------------
  {
    name: 'a checkpoint ahead of the queues',
    path: 'src/store/checkpointer.ts',
    before: 'await this.#flushed(() => queues.flush())',
    after: '',
    first: ENGINE,
  },
  {
    name: 'the index is not flushed',
    path: 'src/store/checkpointer.ts',
    before: 'await this.#flushed(() => index.flush())',
    after: '',
    first: ENGINE,
  },
  {
    name: 'abort removed too soon',
    path: 'src/store/close-store.ts',
    before: '  await flusher.flushNow()\n',
    after:
      '  await checkpointer.change({ ...takeCensus(files.queues, files.index), isCleanClose: true })\n' +
      '  await removeAbortFile(fileSystem, dir)\n  await flusher.flushNow()\n',
    first: ENGINE,
  },
  {
    name: 'recovery stops one record early',
    path: 'src/store/rebuild.ts',
    before: 'const end = await wholeUnitsEnd(parts, plan, walked, progress.lastStart)',
    after:
      'await wholeUnitsEnd(parts, plan, walked, progress.lastStart)\n' +
      '  const end = Math.max(plan.wholeTo, progress.lastStart)',
    first: ENGINE,
  },
  {
    name: 'recovery starts one checkpoint too late',
    path: 'src/store/rebuild.ts',
    before: '  await index.dropFrom(plan.from)\n',
    after: '',
    first: ENGINE,
  },
  {
    name: 'a checkpoint is not withdrawn before recovery goes behind it',
    path: 'src/store/recovery.ts',
    before: '  if (!parts.isReadOnly && !plan.isTrusted) await withdrawCheckpoint(parts, plan)\n',
    after: '',
    first: 'everything',
  },
  {
    name: 'a torn append unit is kept',
    path: 'src/store/rebuild.ts',
    before: 'if (end <= plan.wholeTo) return end',
    after: 'return end',
    first: ENGINE,
  },
  {
    name: 'checksums are not checked',
    path: 'src/codec/record-cursor.ts',
    before: '  #check(view: DataView, at: number, checks: RecordChecks): RecordOutcome {\n',
    after:
      '  #check(view: DataView, at: number, checks: RecordChecks): RecordOutcome {\n' +
      "    if (checks.record !== 'never') return 'record'\n",
    first: ENGINE,
  },
  // ---- queues, retention, deleted topics -----------------------------------------------------------------------------
  {
    name: 'entry k of a queue is written at k + 1',
    path: 'src/store/consume-queue.ts',
    before: 'this.files.write(bytes, start + unwritten)',
    after: 'this.files.write(bytes, start + unwritten + 1)',
    first: ENGINE,
  },
  {
    name: 'queues begin to count at their first entry again',
    path: 'src/store/running-store.ts',
    before: 'Math.max(queues.queue(topic, queueId)?.maxQueueOffset ?? 0, tombstones.nextQueueOffset(topic, queueId))',
    after: 'Math.max(queues.queue(topic, queueId)?.minQueueOffset ?? 0, tombstones.nextQueueOffset(topic, queueId))',
    first: ENGINE,
  },
  {
    name: 'retention past the checkpoint',
    path: 'src/store/retention.ts',
    before: 'const limit = Math.min(checkpointed(), needed)',
    after: 'const limit = Math.max(checkpointed(), needed)',
    first: ENGINE,
  },
  {
    name: 'retention takes what a group has not consumed',
    path: 'src/store/retention.ts',
    before: 'const needed = await keepFrom()',
    after: 'const needed = Number.POSITIVE_INFINITY',
    first: MESSAGING,
  },
  {
    name: 'a tombstone is not saved before the files go',
    path: 'src/store/tombstones.ts',
    before: '    await checkpointer.change({ tombstones: this.#list })\n',
    after: '',
    first: ENGINE,
  },
  // ---- offsets, retries, delays, transactions ------------------------------------------------------------------------
  {
    name: 'offsets for a broker past what is flushed',
    path: 'src/messaging/consumer-offset-file.ts',
    before: 'queueOffset = Math.min(committed, Math.max(durable, Math.min(before ?? 0, committed)))',
    after: 'queueOffset = Math.max(committed, durable)',
    first: MESSAGING,
  },
  {
    name: 'offsets past the end of a queue are not cut at open',
    path: 'src/messaging/offsets-at-open.ts',
    before: 'if (one.ranges.end <= end) continue',
    after: 'if (end >= 0) continue',
    first: MESSAGING,
  },
  {
    name: 'offsets in a new file that is not flushed',
    path: 'src/messaging/offset-log.ts',
    before: '    log.#writeAll()\n    await file.flush()\n',
    after: '    log.#writeAll()\n',
    first: MESSAGING,
  },
  {
    name: 'retry and dead-letter copies without their settled mark',
    path: 'src/messaging/retry-copy.ts',
    before: '[PROPERTY_PMQ_SETTLES]: formatSettles',
    after: 'PMQ_NOTHING: formatSettles',
    first: MESSAGING,
  },
  {
    name: 'a settled mark counts before its copy is on the device',
    path: 'src/messaging/group-offsets.ts',
    before: 'return Math.min(this.ranges.committed, this.#lowestHeld)',
    after: 'return this.ranges.committed',
    first: MESSAGING,
  },
  {
    name: 'the op message before the commit',
    path: 'src/messaging/transactions.ts',
    before: 'this.#store.putAll([...records, opOf([decided])])',
    after: '[...records, opOf([decided])].reverse().map(record => this.#store.put(record)).reverse()',
    first: MESSAGING,
  },
  {
    name: 'the commit before the op message, apart',
    path: 'src/messaging/transactions.ts',
    before: 'this.#store.putAll([...records, opOf([decided])])',
    after: '[...records, opOf([decided])].map(record => this.#store.put(record))',
    first: MESSAGING,
  },
  {
    name: 'delayed messages are delivered without saying which',
    path: 'src/messaging/delayed-record.ts',
    before: '[PROPERTY_PMQ_SETTLES]: formatSettles(settles)',
    after: 'PMQ_NOTHING: formatSettles(settles)',
    first: MESSAGING,
  },
  {
    name: 'keys that were sent are not remembered by the next process',
    path: 'src/messaging/dedupe-windows.ts',
    before: 'if (windows.#topics.size > 0) await windows.#rebuild()',
    after: '',
    first: MESSAGING,
  },
]
