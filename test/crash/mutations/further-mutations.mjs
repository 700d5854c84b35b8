/** More bugs to plant: what was tried besides, and is caught by the harness that is named. */
import { HARNESS } from './harnesses.mjs'

export const FURTHER_MUTATIONS = [
  {
    name: 'one record after each roll is not dispatched',
    path: 'src/store/dispatcher.ts',
    before: "      } else if (step === 'damage') this.#onEvent('damaged-range', { ...walk.damage })\n",
    after:
      "      } else if (step === 'filler') walk.step()\n      else if (step === 'damage') this.#onEvent('damaged-range', { ...walk.damage })\n",
    harness: HARNESS.ENGINE,
  },
  {
    name: 'recovery passes over one record after each roll',
    path: 'src/store/rebuild.ts',
    before:
      "  for (let step = walk.step(); step !== 'end'; step = walk.step()) {\n    if (step === 'starved') await walk.fill()\n    else if (step === 'damage') noteDamage",
    after:
      "  let isAfterRoll = false\n  for (let step = walk.step(); step !== 'end'; step = walk.step()) {\n    if (step === 'starved') await walk.fill()\n    else if (step === 'filler') isAfterRoll = true\n    else if (step === 'record' && isAfterRoll) isAfterRoll = false\n    else if (step === 'damage') noteDamage",
    harness: HARNESS.ENGINE,
  },
  {
    name: 'records of a unit do not say so',
    path: 'src/store/append-path.ts',
    before: '      encoder.prepare(record, { index: i + 1, count })\n      results',
    after: '      encoder.prepare(record, { index: 1, count: 1 })\n      results',
    harness: HARNESS.ENGINE,
  },
  {
    name: 'abort is removed before the state says closed',
    path: 'src/store/close-store.ts',
    before:
      '  await checkpointer.change({ ...census, isCleanClose: true })\n  await removeAbortFile(fileSystem, dir)\n',
    after: '  await removeAbortFile(fileSystem, dir)\n  await checkpointer.change({ ...census, isCleanClose: true })\n',
    harness: HARNESS.INVARIANTS,
  },
  {
    name: 'the name of abort is not on the device',
    path: 'src/store/abort-file.ts',
    before: 'pocketmq`), mode & 0o666)\n  await fileSystem.flushFolder(dir)\n',
    after: 'pocketmq`), mode & 0o666)\n',
    harness: HARNESS.STATE,
  },
  {
    name: 'the sequence number of the state page stays',
    path: 'src/store/state-file.ts',
    before: '    this.#sequence++\n',
    after: '',
    harness: HARNESS.STATE,
  },
  {
    name: 'the state page is written with the number it has',
    path: 'src/store/state-file.ts',
    before: 'sequence: this.#sequence + 1, listsSequence',
    after: 'sequence: this.#sequence, listsSequence',
    harness: HARNESS.STATE,
  },
  {
    name: 'config files are written in place',
    path: 'src/store/small-files.ts',
    before: '    await replaceFile(fileSystem, { path, bytes, temporaryFolder, mode: this.#fileMode, keepBackup })\n',
    after:
      "    if (keepBackup && bytes instanceof Uint8Array) {\n      const file = await fileSystem.open(path, 'create', this.#fileMode)\n      await file.setLength(0)\n      await file.write(bytes, 0)\n      await file.flush()\n      await file.close()\n      return\n    }\n    await replaceFile(fileSystem, { path, bytes, temporaryFolder, mode: this.#fileMode, keepBackup })\n",
    harness: HARNESS.MESSAGING,
  },
  {
    name: 'the version before is the new one',
    path: 'src/files/atomic-file.ts',
    before:
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
      "  if (keepBackup && (await fileSystem.stat(path)) !== undefined) {\n    // A second name rather than RocketMQ's rename: there is no moment at which the path is missing.\n    await fileSystem.remove(`${path}.bak`)\n    await fileSystem.link(path, `${path}.bak`)\n  }\n  await fileSystem.rename(aside, path)\n",
    after:
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
      '  await fileSystem.rename(aside, path)\n  if (keepBackup && (await fileSystem.stat(path)) !== undefined) {\n    await fileSystem.remove(`${path}.bak`)\n    await fileSystem.link(path, `${path}.bak`)\n  }\n',
    harness: HARNESS.SMALL_FILES,
  },
  {
    name: 'nothing says that a folder was taken over',
    path: 'src/store/recovery.ts',
    before: 'isOurs ? undefined : checkpoint.sha256',
    after: 'undefined',
    harness: HARNESS.BROKER,
  },
  {
    name: 'the mark of a folder taken over counts for nothing',
    path: 'src/store/recovery.ts',
    before: 'return isCheckpointOurs(parts) && state !== undefined && !isTakenOver(state)',
    after: 'return isCheckpointOurs(parts) && state !== undefined',
    harness: HARNESS.BROKER,
  },
  {
    name: 'checksums are checked of bodies alone',
    path: 'src/store/record-checks.ts',
    before: '  if (foreignRanges.length === 0) return () => ALL_CHECKS\n',
    after: '  if (foreignRanges.length === 0) return () => FOREIGN_CHECKS\n',
    harness: HARNESS.BYTES,
  },
  {
    name: 'a damaged record takes the slot of another',
    path: 'src/store/slot-owner.ts',
    before: '  return isRecordOf(record, 0, sizeBytes, expected, named, queueOffset)\n',
    after: '  return isRecordOf(record, 0, sizeBytes, expected, named, queueOffset) && named < 0\n',
    harness: HARNESS.BYTES_OF_BROKERS,
  },
  {
    name: 'a mended slot takes the entry of another',
    path: 'src/store/entry-mender.ts',
    before: '      if (await isAnothersSlot(log, queue, cursor)) continue\n',
    after: '',
    harness: HARNESS.BYTES_OF_BROKERS,
  },
  {
    name: 'what a file lacks of a record counts as zeros',
    path: 'src/store/rebuild.ts',
    before: '    fileEnd: fileEnds(parts),\n',
    after: '    fileEnd: at => fileEnds(parts)(at) + log.segmentBytes,\n',
    harness: HARNESS.BYTES_OF_BROKERS,
  },
  {
    name: 'a hole is closed with a filler of the wrong size',
    path: 'src/store/hole-plan.ts',
    before: '      left -= sizeBytes\n    }\n  }\n',
    after: '      left -= sizeBytes\n    }\n  }\n  if (isAtSegmentEnd) left -= 4\n',
    harness: HARNESS.REPAIR,
  },
  {
    name: 'a recall is forgotten by the next process',
    path: 'src/messaging/timer-messages.ts',
    before:
      "    if (recalls !== undefined) {\n      this.#settleRecalled(recalls, propertyValue(text, PROPERTY_REAL_TOPIC) ?? '')\n      return\n    }\n",
    after:
      "    if (recalls !== undefined) {\n      if (this.#isStarted) this.#settleRecalled(recalls, propertyValue(text, PROPERTY_REAL_TOPIC) ?? '')\n      return\n    }\n",
    harness: HARNESS.MESSAGING,
  },
  {
    name: 'a checkpoint ahead of the index',
    path: 'src/store/checkpointer.ts',
    before: '    await this.#flushed(() => index.flush())\n',
    after: '',
    harness: HARNESS.INVARIANTS,
  },
  {
    name: 'what is written into a hole is not flushed',
    path: 'src/store/close-holes.ts',
    before: '      await file.write(bytes, start - segment.start)\n      await file.flush()\n',
    after: '      await file.write(bytes, start - segment.start)\n',
    harness: HARNESS.REPAIR,
  },
  {
    name: 'an fsync without room is tried again and believed',
    path: 'src/files/io-error.ts',
    before: " || String(error.details.operation).startsWith('flush')",
    after: '',
    harness: HARNESS.FAULTS,
  },
  {
    name: 'what a full device refused keeps its queueOffset',
    path: 'src/store/append-path.ts',
    before: '      if ((this.#unwrittenAt[i] as number) >= log.appended) (this.#unwritten[i] as QueueCounter).next--\n',
    after: '',
    harness: HARNESS.APPEND,
  },
  {
    name: 'the lists follow the page that names them',
    path: 'src/store/state-file.ts',
    before:
      '    if (isListChanged) await this.#saveLists({ foreignRanges, tombstones })\n    await this.#savePage({ ...page, sequence: this.#sequence + 1, listsSequence: this.#listsSequence })\n',
    after:
      '    await this.#savePage({ ...page, sequence: this.#sequence + 1, listsSequence: this.#listsSequence })\n    if (isListChanged) await this.#saveLists({ foreignRanges, tombstones })\n',
    harness: HARNESS.STATE,
  },
  {
    name: 'an entry is believed whatever its record says',
    path: 'src/store/record-check.ts',
    before: '  if (i64At(bytes, start + QUEUE_OFFSET_OFFSET) !== queueOffset) return false\n',
    after: '',
    harness: HARNESS.READER,
  },
  {
    name: 'op messages are read from the saved offset on',
    path: 'src/messaging/half-messages.ts',
    before: 'Math.min(from.op, await firstOpFor(store, from.half))',
    after: 'from.op',
    harness: HARNESS.TRANSACTIONS,
  },
  {
    name: 'retention takes what waits to be delivered',
    path: 'src/messaging/timer-messages.ts',
    before: '    return this.#pending.lowestPhysicalOffset\n',
    after: '    return Number.POSITIVE_INFINITY\n',
    harness: HARNESS.RETENTION,
  },
  {
    name: 'retention takes what is undecided',
    path: 'src/messaging/transactions.ts',
    before: '    return this.#halves.lowestPhysicalOffset\n',
    after: '    return Number.POSITIVE_INFINITY\n',
    harness: HARNESS.RETENTION,
  },
  {
    name: 'retention drops what has a copy that is not on the device',
    path: 'src/store/retention.ts',
    before: '      if (removed === 0) await this.#parts.flush()\n',
    after: '',
    harness: HARNESS.DROPPED,
  },
  {
    name: 'a flush leaves out the segment that was active when it began',
    path: 'src/store/commit-log.ts',
    before: 'if (target > activeStart || sealed.length === 0) await active.flush()',
    after: 'if (target > this.#activeStart || sealed.length === 0) await active.flush()',
    harness: HARNESS.ROLLED,
  },
  // ---- what a killed process left in the page cache alone -----------------------------------------------------------
  {
    name: 'the checkpoint that a killed process wrote is not flushed',
    path: 'src/store/recovery.ts',
    before: '  await checkpoint.file.flush()\n',
    after: '',
    harness: HARNESS.KILLED,
  },
  {
    name: 'offsets are saved beside the hash of what was never written',
    path: 'src/store/offsets-json.ts',
    before: 'const isFormer = found.sha256 === state.formerConsumerOffsetSha256',
    after: 'const isFormer = false',
    harness: HARNESS.KILLED,
  },
  {
    name: 'a generation of offsets that was filled before counts for what came after',
    path: 'src/messaging/offset-log.ts',
    before: 'while (this.#isReplaceDue) await this.#rotate()',
    after: 'if (this.#isReplaceDue) await this.#rotate()',
    harness: HARNESS.KILLED,
  },
]
