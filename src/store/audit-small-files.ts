/** Audits the small files of a folder against what the walk over the log has found: checkpoint, state, config JSON, offsets. */
import { createHash } from 'node:crypto'
import { asError, PocketMQError } from '../base/errors.ts'
import { decodeCheckpoint } from '../codec/checkpoint.ts'
import { decodeConsumerOffsets } from '../codec/consumer-offset-json.ts'
import { decodeDelayOffsets } from '../codec/delay-offset-json.ts'
import { decodeGroups } from '../codec/groups-json.ts'
import { parseLooseJsonObject } from '../codec/loose-json.ts'
import { decodeOffsetLog } from '../codec/offset-entry.ts'
import { decodeStateLists } from '../codec/state-lists.ts'
import { decodeStateSlot, STATE_PAGE_BYTES, STATE_SLOT_BYTES } from '../codec/state-page.ts'
import { decodeSubscriptionGroups } from '../codec/subscription-group-json.ts'
import { decodeTimerCheck } from '../codec/timer-check.ts'
import { decodeTopics } from '../codec/topics-json.ts'
import { readWhole } from '../files/atomic-file.ts'
import type { FileSystem } from '../files/file-system.ts'
import { auditClosedFiles, isWrittenSinceClose } from './closed-files.ts'
import type { Findings } from './findings.ts'

/** What the audit of the small files is given. */
export type SmallFilesAuditParts = {
  readonly fileSystem: FileSystem
  readonly dir: string
  readonly findings: Findings
  /** The folder was closed: nothing is half written. */
  readonly isClean: boolean
  /** By us, and nobody has come after. */
  readonly isAsClosed: boolean
  /** End of the audited log, and the newest storeTimestamp in it. */
  readonly end: number
  readonly lastStoreTimestamp: number
  /** The folder's owner audits it while he works: a checkpoint may be newer than the walk that went before. */
  readonly isLive: boolean
  /** One past a queue's last message; undefined for a queue without. */
  readonly nextOf: (topic: string, queueId: number) => number | undefined
}

/** Hashes of files as we last wrote them, where the folder was closed by us and nobody came after. */
export type RememberedHashes = {
  readonly checkpointSha256: string | undefined
  readonly consumerOffsetSha256: string | undefined
}

const STATE = 'pocketmq/state'
const CHECKPOINT = 'checkpoint'
const CONSUMER_OFFSET = 'config/consumerOffset.json'
/** Consumer groups of RocketMQ's own keep offsets of queues whose topics come and go. */
const SYSTEM_GROUP = /^CID_RMQ_SYS_|^(?:CID_ONSAPI|SELF_TEST_C_GROUP|TOOLS_CONSUMER)/

/** What reads each file; a name not listed is read as JSON. */
const DECODERS: Readonly<Record<string, (bytes: Buffer, file: string) => unknown>> = {
  'topics.json': (bytes, file) => decodeTopics(bytes.toString('utf8'), file),
  'subscriptionGroup.json': (bytes, file) => decodeSubscriptionGroups(bytes.toString('utf8'), file),
  'consumerOffset.json': (bytes, file) => decodeConsumerOffsets(bytes.toString('utf8'), file),
  'delayOffset.json': (bytes, file) => decodeDelayOffsets(bytes.toString('utf8'), file),
  timercheck: (bytes, file) => decodeTimerCheck(bytes, file),
}

/** Reads and checks them all. */
export async function auditSmallFiles(parts: SmallFilesAuditParts, hashes: RememberedHashes): Promise<void> {
  await auditCheckpoint(parts, hashes.checkpointSha256)
  await auditState(parts)
  await auditLists(parts)
  await auditConfig(parts, hashes.consumerOffsetSha256)
  await auditOwnOffsets(parts)
  if (parts.isAsClosed) await auditClosedFiles(parts.fileSystem, parts.dir, parts.findings)
}

async function auditCheckpoint(parts: SmallFilesAuditParts, sha256: string | undefined): Promise<void> {
  const { findings, end, lastStoreTimestamp } = parts
  const bytes = await readWhole(parts.fileSystem, `${parts.dir}/${CHECKPOINT}`)
  // Cut short while it was made, it is missing.
  if (bytes === undefined || (bytes.length === 0 && !parts.isClean)) return
  const checkpoint = attempt(findings, CHECKPOINT, () => decodeCheckpoint(bytes))
  if (checkpoint === undefined || parts.isLive) return
  const { physicMessageTimestamp, logicsMessageTimestamp, indexMessageTimestamp, logicsPhysicalOffset } = checkpoint
  const times = [physicMessageTimestamp, logicsMessageTimestamp, indexMessageTimestamp]
  for (const [i, found] of times.entries()) {
    if (found > lastStoreTimestamp) findings.add(CHECKPOINT, i * 8, `at most ${lastStoreTimestamp}`, `${found}`)
  }
  if (logicsPhysicalOffset > end) findings.add(CHECKPOINT, 40, `at most ${end}`, `${logicsPhysicalOffset}`)
  if (sha256 !== undefined) await auditHash(parts, CHECKPOINT, bytes, sha256)
}

/**
 * Both slots of the page: one that was written and does not read is damage, unless its writing was cut short. That takes an
 * `abort`: without one the folder was closed, whatever the slot that is left says.
 */
async function auditState({ fileSystem, dir, findings, isClean }: SmallFilesAuditParts): Promise<void> {
  const bytes = await readWhole(fileSystem, `${dir}/${STATE}`)
  if (bytes === undefined) return
  if (bytes.length !== STATE_PAGE_BYTES) {
    findings.add(STATE, undefined, `${STATE_PAGE_BYTES} bytes`, `${bytes.length} bytes`)
  }
  const isClosed = isClean || (await fileSystem.stat(`${dir}/abort`)) === undefined
  for (let at = 0; at + STATE_SLOT_BYTES <= bytes.length && isClosed; at += STATE_SLOT_BYTES) {
    const slot = bytes.subarray(at, at + STATE_SLOT_BYTES)
    if (slot.some(byte => byte !== 0)) attempt(findings, STATE, () => decodeStateSlot(slot), at)
  }
}

async function auditLists({ fileSystem, dir, findings }: SmallFilesAuditParts): Promise<void> {
  const bytes = await readWhole(fileSystem, `${dir}/pocketmq/tombstones`)
  if (bytes !== undefined) attempt(findings, 'pocketmq/tombstones', () => decodeStateLists(bytes))
  const groups = await readWhole(fileSystem, `${dir}/pocketmq/groups.json`)
  if (groups !== undefined) {
    attempt(findings, 'pocketmq/groups.json', () => decodeGroups(groups.toString('utf8')))
  }
}

async function auditConfig(parts: SmallFilesAuditParts, consumerOffsetSha256: string | undefined): Promise<void> {
  const { fileSystem, dir, findings } = parts
  for (const { name, isFolder } of await fileSystem.list(`${dir}/config`)) {
    const file = `config/${name}`
    const bytes = isFolder ? undefined : await readWhole(fileSystem, `${dir}/${file}`)
    if (bytes === undefined) continue
    const plain = name.replace(/\.bak$/, '')
    const decode = DECODERS[plain] ?? (plain.endsWith('.json') ? parseAsJson : () => undefined)
    attempt(findings, file, () => decode(bytes, file))
    if (name === 'consumerOffset.json') await auditOffsets(parts, bytes, consumerOffsetSha256)
  }
}

/** A broker does not cut an offset that points past its queue's end: messages to come would be skipped. */
async function auditOffsets(parts: SmallFilesAuditParts, bytes: Buffer, sha256: string | undefined): Promise<void> {
  const { findings, nextOf } = parts
  if (sha256 !== undefined) await auditHash(parts, CONSUMER_OFFSET, bytes, sha256)
  let offsets: ReturnType<typeof decodeConsumerOffsets>['offsets']
  try {
    offsets = decodeConsumerOffsets(bytes.toString('utf8')).offsets
  } catch {
    return // Told already by the one who read every file.
  }
  for (const { topic, group, queueId, queueOffset } of offsets) {
    const next = nextOf(topic, queueId)
    if (next === undefined || queueOffset <= next || SYSTEM_GROUP.test(group)) continue
    findings.add(CONSUMER_OFFSET, undefined, `${topic}@${group}, queue ${queueId}: at most ${next}`, `${queueOffset}`)
  }
}

async function auditOwnOffsets({ fileSystem, dir, findings, isClean }: SmallFilesAuditParts): Promise<void> {
  for (const { name, isFolder } of await fileSystem.list(`${dir}/pocketmq/offsets`)) {
    const file = `pocketmq/offsets/${name}`
    const bytes = isFolder || !/^\d{20}$/.test(name) ? undefined : await readWhole(fileSystem, `${dir}/${file}`)
    if (bytes === undefined) continue
    const content = attempt(findings, file, () => decodeOffsetLog(bytes, file))
    const skipped = content?.skippedEntries ?? 0
    if (skipped > 0 && isClean) findings.add(file, undefined, 'every entry whole', `${skipped} damaged`)
  }
}

async function auditHash(
  { fileSystem, dir, findings }: SmallFilesAuditParts,
  file: string,
  bytes: Buffer,
  sha256: string,
): Promise<void> {
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found === sha256 || (await isWrittenSinceClose(fileSystem, dir, file))) return
  findings.add(file, undefined, `content with SHA-256 ${sha256}`, found)
}

function parseAsJson(bytes: Buffer, file: string): unknown {
  return parseLooseJsonObject(bytes.toString('utf8'), file)
}

/** Runs a decoder; what it refuses is a finding. */
function attempt<T>(findings: Findings, file: string, decode: () => T, offset?: number): T | undefined {
  try {
    return decode()
  } catch (error) {
    const { expected, found } =
      error instanceof PocketMQError ? error.details : { expected: undefined, found: undefined }
    findings.add(file, offset, String(expected ?? 'content that can be read'), String(found ?? asError(error).message))
    return undefined
  }
}
