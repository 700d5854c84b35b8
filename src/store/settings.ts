/** The store's settings: name, unit, default, bounds. The README's table is held equal to this one by a test. */
import type { Clock } from '../base/clock.ts'
import { systemClock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { consoleLogger } from '../base/logger.ts'
import type { Setting, Settings } from '../base/settings-table.ts'
import { custom, flag, oneOf, optionalWholeNumber, resolveSettings, wholeNumber } from '../base/settings-table.ts'
import type { FileSystem } from '../files/file-system.ts'
import type { Durability } from './store-types.ts'

const KIB = 1024
const MIB = 1024 * KIB
const GIB = 1024 * MIB
const MINUTE_MS = 60_000

/** Smallest commit-log segment: small enough for tests of rolling, large enough for an entry of every kind. */
const SEGMENT_BYTES_MIN = 4 * KIB

type RetentionTable = {
  readonly hours: Setting<number>
  readonly bytes: Setting<number | undefined>
  readonly freeBytesMin: Setting<number>
  readonly keepUnconsumed: Setting<boolean>
  readonly absentGroupHours: Setting<number>
}

/** How long segments are kept. SEMANTICS 7.4. */
export const RETENTION_SETTINGS: RetentionTable = {
  hours: wholeNumber('hours a segment is kept after its last write', 72, 0, 24 * 366 * 100),
  bytes: optionalWholeNumber(
    'bytes of commit log kept in all; unset: no bound',
    SEGMENT_BYTES_MIN,
    Number.MAX_SAFE_INTEGER,
  ),
  freeBytesMin: wholeNumber(
    'bytes left free on the device; below it writes are refused',
    256 * MIB,
    0,
    Number.MAX_SAFE_INTEGER,
  ),
  keepUnconsumed: flag('keep what a registered group has not consumed, whatever its age', true),
  absentGroupHours: wholeNumber(
    'hours after which an absent group no longer holds messages back',
    168,
    1,
    24 * 366 * 100,
  ),
}

/** Resolved {@link RETENTION_SETTINGS}. */
export type RetentionSettings = Settings<RetentionTable>

type StoreTable = {
  readonly durability: Setting<Durability>
  readonly flushIntervalMs: Setting<number>
  readonly unflushedBytesMax: Setting<number>
  readonly undispatchedBytesMax: Setting<number>
  readonly io: Setting<'auto' | 'mmap' | 'file'>
  readonly lock: Setting<'exclusive' | 'none'>
  readonly lockWaitMs: Setting<number>
  readonly advertise: Setting<{ readonly host: string; readonly port: number }>
  readonly mode: Setting<number>
  readonly commitLogSegmentBytes: Setting<number>
  readonly consumeQueueSegmentEntries: Setting<number>
  readonly indexSlots: Setting<number>
  readonly indexEntries: Setting<number>
  readonly recordCrc: Setting<boolean>
  readonly retention: Setting<object>
  readonly allowNetworkFs: Setting<boolean>
  readonly logger: Setting<Logger>
  readonly clock: Setting<Clock>
  readonly fileSystem: Setting<FileSystem | undefined>
}

/** Every option of `MessageStore.open`. */
export const STORE_SETTINGS: StoreTable = {
  durability: oneOf('level a message reaches unless it asks for another', 'interval', ['memory', 'interval', 'disk']),
  flushIntervalMs: wholeNumber('milliseconds between flushes to the device', 500, 1, 10 * MINUTE_MS),
  unflushedBytesMax: wholeNumber(
    'bytes appended and not yet on the device; beyond it put throws BACKPRESSURE',
    256 * MIB,
    64 * KIB,
    64 * GIB,
  ),
  undispatchedBytesMax: wholeNumber(
    'bytes appended and not yet readable by consumers; beyond it put throws BACKPRESSURE',
    64 * MIB,
    64 * KIB,
    64 * GIB,
  ),
  io: oneOf('how the segment being appended to is written; auto is file', 'auto', ['auto', 'mmap', 'file']),
  lock: oneOf('none only where no lock can be had', 'exclusive', ['exclusive', 'none']),
  lockWaitMs: wholeNumber('milliseconds to wait for another owner of the folder to leave', 0, 0, 24 * 60 * MINUTE_MS),
  advertise: custom(
    'storeHost of new records, and so part of every offsetMessageId',
    { host: '127.0.0.1', port: 10911 },
    checkAddress,
  ),
  mode: wholeNumber('permissions of new folders; files get the same without x', 0o700, 0o200, 0o777),
  commitLogSegmentBytes: wholeNumber(
    'bytes of one commit-log segment, in a new folder',
    64 * MIB,
    SEGMENT_BYTES_MIN,
    GIB,
  ),
  consumeQueueSegmentEntries: wholeNumber(
    'entries of one consume-queue file, in a new folder',
    300_000,
    10,
    10_000_000,
  ),
  indexSlots: wholeNumber('hash slots of one index file, in a new folder', 500_000, 10, 50_000_000),
  indexEntries: wholeNumber('entries of one index file, in a new folder', 2_000_000, 10, 100_000_000),
  recordCrc: flag('a checksum over the whole record, as RocketMQ property __CRC32#', true),
  retention: custom('how long messages are kept', {}, value =>
    typeof value === 'object' && value !== null ? undefined : 'must be an object',
  ),
  allowNetworkFs: flag('open a folder on NFS, SMB, 9p or network FUSE all the same', false),
  logger: custom('where warnings go, pino-shaped', consoleLogger, checkMethods('debug', 'info', 'warn', 'error')),
  clock: custom('time; a virtual clock in tests', systemClock, checkMethods('nowMs', 'monotonicMs', 'sleep')),
  fileSystem: custom<FileSystem | undefined>(
    'the disk; a simulated one in tests',
    undefined,
    checkMethods('open', 'list', 'flushFolder'),
  ),
}

/** Resolved {@link STORE_SETTINGS}. */
export type StoreSettings = Omit<Settings<StoreTable>, 'retention'> & {
  readonly retention: RetentionSettings
  /** Names of the options that were given, and not left to their defaults. */
  readonly given: ReadonlySet<string>
}

/** Checks given options and fills in the defaults. @throws INVALID_ARGUMENT */
export function resolveStoreSettings(given: object): StoreSettings {
  const settings = resolveSettings(STORE_SETTINGS, given, 'open')
  const retention = resolveSettings(RETENTION_SETTINGS, settings.retention, 'retention')
  const names = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  return { ...settings, retention, given: new Set(names) }
}

function checkAddress(value: unknown): string | undefined {
  const { host, port } = (value ?? {}) as { host?: unknown; port?: unknown }
  if (typeof host !== 'string' || host === '') return 'must have a host, an IP address'
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535
  return isPort ? undefined : 'must have a port from 0 to 65535'
}

function checkMethods(...names: string[]): (value: unknown) => string | undefined {
  return value => {
    const object = value as Record<string, unknown> | null
    const missing = names.find(name => typeof object?.[name] !== 'function')
    return missing === undefined ? undefined : `must have a method ${missing}`
  }
}
