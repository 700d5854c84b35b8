/** `pocketmq/testing`: a disk that loses power on demand and a clock that stands still, for tests of your own. */

export type { DiskOperation, Fault, FaultRule, InjectedFault } from './fault-rules.ts'
export { ManualClock } from './manual-clock.ts'
export type { SeededRandom } from './seeded-random.ts'
export { seededRandom } from './seeded-random.ts'
export type { DiskEvent, SimulatedDiskOptions } from './simulated-disk.ts'
export { SimulatedDisk } from './simulated-disk.ts'
