/**
 * `pocketmq/testing`: a disk that loses power on demand and a clock that stands still, for tests of your own.
 *
 * ```ts
 * const disk = new SimulatedDisk()
 * const mq = await PocketMQ.open('/store', { fileSystem: disk, durability: 'disk' })
 * await mq.producer().send({ topic: 'orders', body: 'paid' })
 * const after = await PocketMQ.open('/store', { fileSystem: disk.powerCut(seed) })   // what a reboot may find
 * ```
 * Cut at every flush with `disk.onFlush(() => images.push(disk.powerCut(seed++)))`, skip equal images by `digest()`, kill the
 * process with `disk.kill()`, and make calls fail with `disk.inject({ operation: 'write', path: 'commitlog/*', nth: 3,
 * fault: { errno: 'ENOSPC' } })`.
 */
export type { Clock, SleepOptions } from '../base/clock.ts'
export type {
  DeviceStat,
  FileStat,
  FileSystem,
  FolderEntry,
  MappedFile,
  OpenMode,
  SegmentOptions,
  StoreFile,
  StoreLock,
} from '../files/file-system.ts'
export { loadFolder, saveFolder } from './copy-folder.ts'
export type { DiskOperation, Fault, FaultRule, InjectedFault } from './fault-rules.ts'
export { ManualClock } from './manual-clock.ts'
export type { SeededRandom } from './seeded-random.ts'
export { seededRandom } from './seeded-random.ts'
export type { DiskEvent, SimulatedDiskOptions } from './simulated-disk.ts'
export { SimulatedDisk } from './simulated-disk.ts'
