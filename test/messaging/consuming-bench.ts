/** The consuming half on a simulated disk, with a clock that stands still. */
import { onTestFinished } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import type { DeliveryCore } from '../../src/messaging/delivery-core.ts'
import type { StoreOptions } from '../../src/store/message-store.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { ConsumingKit } from '../support/consuming-kit.ts'

const FOLDER = '/queue'
/** Small files, so that a disk in memory stays small. */
const SMALL = {
  commitLogSegmentBytes: 1024 * 1024,
  consumeQueueSegmentEntries: 1000,
  indexSlots: 100,
  indexEntries: 1000,
}

export type Bench = { readonly kit: ConsumingKit; readonly disk: SimulatedDisk; readonly clock: ManualClock }

/** Opens a store with consumers; closed when the test is over, if it is not by then. */
export async function openKit(
  { disk = new SimulatedDisk(), clock = new ManualClock() }: { disk?: SimulatedDisk; clock?: ManualClock } = {},
  options: StoreOptions = {},
  between?: (core: DeliveryCore) => DeliveryCore,
): Promise<Bench> {
  const sizes = disk.paths().length === 0 ? SMALL : {}
  const kit = await ConsumingKit.open(FOLDER, { ...sizes, fileSystem: disk, clock, ...options }, between)
  onTestFinished(async () => {
    await kit.close().catch(() => undefined)
  })
  return { kit, disk, clock }
}

/** Lets everything run that needs no time. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn()
}

/** A promise, and who resolves it. */
export function latch(): { readonly promise: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const promise = new Promise<void>(resolve => {
    open = resolve
  })
  return { promise, open }
}
