/** Bugs to plant: each has a name, the file, the text that goes, the text that comes, and the harness that must catch it. */

import { FURTHER_MUTATIONS } from './further-mutations.mjs'
import { HARNESS } from './harnesses.mjs'

const { ENGINE, MESSAGING, FAULTS, BROKER, STATE, INVARIANTS, AHEAD, TOPICS, RECALL } = HARNESS

export const MUTATIONS = [
  // ---- what is on the device when somebody is told so --------------------------------------------------------------
  {
    name: 'acknowledged before fsync',
    path: 'src/store/message-store.ts',
    before: 'this.#parts.log.flushed.reached(physicalOffset, signal)',
    after: 'this.#parts.log.written.reached(physicalOffset, signal)',
    harness: ENGINE,
  },
  {
    name: 'a flush covers what was written while it ran',
    path: 'src/store/commit-log.ts',
    before: 'this.flushed.advance(target)\n    this.#sealed =',
    after: 'this.flushed.advance(this.written.value)\n    this.#sealed =',
    harness: ENGINE,
  },
  {
    name: 'after a roll only the new segment is flushed',
    path: 'src/store/commit-log.ts',
    before: '    for (const { file } of sealed) await file.flush()\n',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'the name of a new segment is not flushed',
    path: 'src/store/commit-log.ts',
    before: '    await this.#names.flush(this.#fileSystem, this.#folder)\n',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'a failed flush of the log is forgotten',
    path: 'src/store/flusher.ts',
    before: '        this.#failure = asError(error)\n        onFailure(this.#failure)\n',
    after: '        log.flushed.advance(log.written.value)\n',
    harness: FAULTS,
  },
  {
    name: 'a checkpoint follows a failed flush of a derived file',
    path: 'src/store/checkpointer.ts',
    before: '      this.#failure = asError(error)\n      this.#parts.onFailure(this.#failure)\n      throw error',
    after: '      throw error',
    harness: INVARIANTS,
  },
  // ---- small files -------------------------------------------------------------------------------------------------
  {
    name: 'no folder fsync after a rename',
    path: 'src/files/atomic-file.ts',
    before: '  await fileSystem.flushFolder(dirname(path))\n',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'a rename without a flush of the content',
    path: 'src/files/atomic-file.ts',
    before: '    await file.flush()\n',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'the former version of a config file is not kept',
    path: 'src/files/atomic-file.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    before: '    await fileSystem.link(path, `${path}.bak`)\n',
    after: '',
    harness: HARNESS.SMALL_FILES,
  },
  {
    name: 'a changed group is not saved',
    path: 'src/messaging/group-records.ts',
    before: '    this.#putForBroker(forBroker)\n    try {\n      await this.save()\n',
    after: '    this.#putForBroker(forBroker)\n    try {\n',
    harness: MESSAGING,
  },
  // ---- checkpoint, close, recovery ---------------------------------------------------------------------------------
  {
    name: 'a checkpoint ahead of the queues',
    path: 'src/store/checkpointer.ts',
    before: 'await this.#flushed(() => queues.flush())',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'abort removed too soon',
    path: 'src/store/close-store.ts',
    before: '  await flusher.flushNow()\n',
    after:
      '  await checkpointer.change({ ...takeCensus(files.queues, files.index), isCleanClose: true })\n' +
      '  await removeAbortFile(fileSystem, dir)\n  await flusher.flushNow()\n',
    harness: INVARIANTS,
  },
  {
    name: 'recovery stops one record early',
    path: 'src/store/rebuild.ts',
    before: 'const end = await wholeUnitsEnd(parts, plan, walked, progress.lastStart)',
    after:
      'await wholeUnitsEnd(parts, plan, walked, progress.lastStart)\n' +
      '  const end = Math.max(plan.wholeTo, progress.lastStart)',
    harness: ENGINE,
  },
  {
    name: 'recovery starts one checkpoint too late',
    path: 'src/store/rebuild.ts',
    before: '  await index.dropFrom(plan.from)\n',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'a checkpoint is not withdrawn before recovery goes behind it',
    path: 'src/store/recovery.ts',
    before: '  if (!parts.isReadOnly && !plan.isTrusted) await withdrawCheckpoint(parts, plan)\n',
    after: '',
    harness: INVARIANTS,
  },
  {
    name: 'a torn append unit is kept',
    path: 'src/store/rebuild.ts',
    before: 'if (end <= plan.wholeTo) return end',
    after: 'return end',
    harness: ENGINE,
  },
  {
    name: 'checksums are not checked',
    path: 'src/codec/record-cursor.ts',
    before: '  #check(view: DataView, at: number, checks: RecordChecks): RecordOutcome {\n',
    after:
      '  #check(view: DataView, at: number, checks: RecordChecks): RecordOutcome {\n' +
      "    if (checks.record !== 'never') return 'record'\n",
    harness: ENGINE,
  },
  // ---- queues, retention, deleted topics -----------------------------------------------------------------------------
  {
    name: 'entry k of a queue is written at k + 1',
    path: 'src/store/consume-queue.ts',
    before: 'this.files.write(bytes, start + unwritten)',
    after: 'this.files.write(bytes, start + unwritten + 1)',
    harness: ENGINE,
  },
  {
    name: 'queues begin to count at their first entry again',
    path: 'src/store/running-store.ts',
    before: 'Math.max(queues.queue(topic, queueId)?.maxQueueOffset ?? 0, tombstones.nextQueueOffset(topic, queueId))',
    after: 'Math.max(queues.queue(topic, queueId)?.minQueueOffset ?? 0, tombstones.nextQueueOffset(topic, queueId))',
    harness: ENGINE,
  },
  {
    name: 'retention past the checkpoint',
    path: 'src/store/retention.ts',
    before: 'const limit = Math.min(checkpointed(), needed)',
    after: 'const limit = Math.max(checkpointed(), needed)',
    harness: INVARIANTS,
  },
  {
    name: 'retention takes what a group has not consumed',
    path: 'src/store/retention.ts',
    before: 'const needed = await keepFrom()',
    after: 'const needed = Number.POSITIVE_INFINITY',
    harness: HARNESS.RETENTION,
  },
  {
    name: 'a tombstone is not saved before the files go',
    path: 'src/store/tombstones.ts',
    before: '    await checkpointer.change({ tombstones: this.#list })\n',
    after: '',
    harness: ENGINE,
  },
  // ---- offsets, retries, delays, transactions ------------------------------------------------------------------------
  {
    name: 'offsets for a broker past what is flushed',
    path: 'src/messaging/consumer-offset-file.ts',
    before: 'queueOffset = Math.min(committed, Math.max(durable, Math.min(before ?? 0, committed)))',
    after: 'queueOffset = Math.max(committed, durable)',
    harness: INVARIANTS,
  },
  {
    name: 'offsets past the end of a queue are not cut at open',
    path: 'src/messaging/offsets-at-open.ts',
    before: 'if (one.ranges.end <= end) continue',
    after: 'if (end >= 0) continue',
    harness: HARNESS.OFFSETS,
  },
  {
    name: 'offsets in a new file that is not flushed',
    path: 'src/messaging/offset-log.ts',
    before: '    log.#writeAll()\n    await file.flush()\n',
    after: '    log.#writeAll()\n',
    harness: MESSAGING,
  },
  {
    name: 'a retry copy without its settled mark',
    path: 'src/messaging/retry-copy.ts',
    before: "    [PROPERTY_WAIT]: 'false',\n    [PROPERTY_PMQ_SETTLES]: formatSettles(settles),\n  })\n  if (waitMs",
    after: "    [PROPERTY_WAIT]: 'false',\n  })\n  if (waitMs",
    harness: MESSAGING,
  },
  {
    name: 'a dead letter without its settled mark',
    path: 'src/messaging/retry-copy.ts',
    before: "    [PROPERTY_WAIT]: 'false',\n    [PROPERTY_PMQ_SETTLES]: formatSettles(settles),\n  })\n}",
    after: "    [PROPERTY_WAIT]: 'false',\n  })\n}",
    harness: INVARIANTS,
  },
  {
    name: 'a settled mark counts before its copy is on the device',
    path: 'src/messaging/group-offsets.ts',
    before: 'return Math.min(this.ranges.committed, this.#lowestHeld)',
    after: 'return this.ranges.committed',
    harness: MESSAGING,
  },
  {
    name: 'the op message before the commit',
    path: 'src/messaging/transactions.ts',
    before: "this.#store.putAll([...records, opOf([decided])], 'successor')",
    after: '[...records, opOf([decided])].reverse().map(record => this.#store.put(record)).reverse()',
    harness: INVARIANTS,
  },
  {
    name: 'the commit before the op message, apart',
    path: 'src/messaging/transactions.ts',
    before: "this.#store.putAll([...records, opOf([decided])], 'successor')",
    after: '[...records, opOf([decided])].map(record => this.#store.put(record))',
    harness: INVARIANTS,
  },
  {
    name: 'delayed messages are delivered without saying which',
    path: 'src/messaging/delayed-record.ts',
    before: '[PROPERTY_PMQ_SETTLES]: formatSettles(settles)',
    after: 'PMQ_NOTHING: formatSettles(settles)',
    harness: MESSAGING,
  },
  {
    name: 'keys that were sent are not remembered by the next process',
    path: 'src/messaging/dedupe-windows.ts',
    before: 'if (windows.#topics.size > 0) await windows.#rebuild()',
    after: '',
    harness: MESSAGING,
  },
  // ---- more of the same kinds ----------------------------------------------------------------------------------------
  {
    name: 'a checkpoint before the log is flushed',
    path: 'src/store/checkpointer.ts',
    before: '    await flusher.flushNow()\n    const startedMs',
    after: '    void flusher\n    const startedMs',
    harness: INVARIANTS,
  },
  {
    name: 'the state page is written over its only copy',
    path: 'src/codec/state-page.ts',
    before: 'return (sequence % 2) * STATE_SLOT_BYTES',
    after: 'return sequence < 0 ? STATE_SLOT_BYTES : 0',
    harness: STATE,
  },
  {
    name: 'the older slot of the state page is believed',
    path: 'src/codec/state-page.ts',
    before: 'page.sequence > newest.sequence',
    after: 'page.sequence < newest.sequence',
    harness: ENGINE,
  },
  {
    name: 'the state page is not flushed',
    path: 'src/store/state-file.ts',
    before: 'stateSlotPosition(page.sequence))\n    await this.#file.flush()',
    after: 'stateSlotPosition(page.sequence))',
    harness: ENGINE,
  },
  {
    name: 'the newest segment is recovered without checksums',
    path: 'src/store/recovery-plan.ts',
    before: "beyond: 'torn',\n    checks: recordChecksOf(state.foreignRanges),\n    notes,",
    after:
      "beyond: 'torn',\n    checks: at =>\n      at >= log.filesEnd - 2 * log.segmentBytes ? { ...FOREIGN_CHECKS, body: false } : " +
      'recordChecksOf(state.foreignRanges)(at),\n    notes,',
    harness: ENGINE,
  },
  {
    name: 'a torn tail is not zeroed',
    path: 'src/store/cut-tail.ts',
    before: 'if (from < keptEnd) await log.zero(from, Math.min(to, keptEnd))',
    after: 'if (from < 0) await log.zero(from, Math.min(to, keptEnd))',
    harness: ENGINE,
  },
  {
    name: 'nothing marks the folder as open',
    path: 'src/store/recovery.ts',
    before: 'if (!parts.isReadOnly) await createAbortFile(parts.fileSystem, parts.dir, parts.mode)',
    after: 'if (parts.clock === undefined) await createAbortFile(parts.fileSystem, parts.dir, parts.mode)',
    harness: ENGINE,
  },
  {
    name: 'a consume-queue file is written and not flushed',
    path: 'src/store/queue-files.ts',
    before: 'if (this.#starts.includes(start)) await this.#flushFile(start)',
    after: '{ void start }',
    harness: ENGINE,
  },
  {
    name: 'the names of new consume-queue files are not flushed',
    path: 'src/store/consume-queues.ts',
    before: '    await files.names.flush(this.#fileSystem, files.folder)\n',
    after: '',
    harness: ENGINE,
  },
  {
    name: 'an index file is written and not flushed',
    path: 'src/store/index-file.ts',
    before: "await this.#context.files.use(this.path, 'write', file => file.flush())",
    after: '',
    harness: ENGINE,
  },
  {
    name: 'retention takes the newest segment',
    path: 'src/store/commit-log.ts',
    before: '      this.#segments.shift()\n      await this.#removeFile(oldest.path)',
    after: '      await this.#removeFile((this.#segments.pop() as Segment).path)',
    harness: ENGINE,
  },
  {
    name: 'the tombstones of deleted topics are not written',
    path: 'src/store/state-file.ts',
    before: 'if (isListChanged) await this.#saveLists({ foreignRanges, tombstones })',
    after: 'if (isListChanged) this.#saved = { foreignRanges, tombstones }',
    harness: ENGINE,
  },
  {
    name: 'a store of durability disk shows what is only written',
    path: 'src/store/running-store.ts',
    before: 'this.#isDeviceFirst ? log.flushed.value : log.written.value),',
    after: 'log.written.value),',
    harness: AHEAD,
  },
  {
    name: 'consumerOffset.json ahead of our own offsets',
    path: 'src/messaging/offset-table.ts',
    before: '    await this.#log?.flush()\n    await this.#json.save',
    after: '    await this.#json.save',
    harness: AHEAD,
  },
  {
    name: 'delay offsets ahead of what they delivered',
    path: 'src/messaging/delay-levels.ts',
    before: '    await this.#store.flushed(appended)\n',
    after: '    void appended\n',
    harness: AHEAD,
  },
  {
    name: 'the delayed messages that wait are saved ahead of what was delivered',
    path: 'src/messaging/timer-messages.ts',
    before:
      '    await this.#store.flushed(this.#store.watermarks.appended, this.#stop.signal)\n    await this.#store.smallFiles',
    after: '    await this.#store.smallFiles',
    harness: AHEAD,
  },
  {
    name: 'offsets of the half queue ahead of what they leave behind',
    path: 'src/messaging/transactions.ts',
    before: '    await this.#store.flushed(this.#store.watermarks.appended)\n    const { offsets }',
    after: '    const { offsets }',
    harness: INVARIANTS,
  },
  {
    name: 'a damaged config file has no version before',
    path: 'src/store/small-files.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    before: 'for (const path of [this.#path(name), `${this.#path(name)}.bak`])',
    after: 'for (const path of [this.#path(name)])',
    harness: TOPICS,
  },
  {
    name: 'nobody notices that a broker was here',
    path: 'src/store/recovery-plan.ts',
    before: '  if (state === undefined || facts.isAbortForeign) return false\n',
    after: '  if (state !== undefined) return true\n',
    harness: BROKER,
  },
  {
    name: "a broker's checkpoint is taken for ours",
    path: 'src/store/recovery-plan.ts',
    before:
      'return sha256 === undefined || sha256 === state.checkpointSha256 || sha256 === state.formerCheckpointSha256',
    after: 'return sha256 !== null',
    harness: BROKER,
  },
  {
    name: "a broker's consumerOffset.json is taken for ours",
    path: 'src/store/offsets-json.ts',
    before: 'return found === state.consumerOffsetSha256 || found === state.formerConsumerOffsetSha256',
    after: 'return found !== null || state === null',
    harness: BROKER,
  },
  {
    name: 'a delayed message is forgotten before its recall is written',
    path: 'src/messaging/timer-messages.ts',
    before: '      this.#pending.add(timer)\n      this.#setAlarm()\n',
    after: '',
    harness: RECALL,
  },
  ...FURTHER_MUTATIONS,
]
