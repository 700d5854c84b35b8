/**
 * Slots that say that nothing is there fill a hole in a queue. The process that wrote them was killed before they were flushed; dispatched
 * again, the record behind them put its own entry and did not have the files before it flushed, so a power cut ended the queue at the hole.
 */
import { expect, test } from 'vitest'
import { ConsumeQueues } from '../../src/store/consume-queues.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

const PER_FILE = 20

function open(fileSystem: SimulatedDisk): Promise<ConsumeQueues> {
  const clock = new ManualClock()
  return ConsumeQueues.open({ fileSystem, dir: '/store', entriesPerFile: PER_FILE, mode: 0o700, clock })
}

function put(queues: ConsumeQueues): void {
  const queue = queues.obtain('orders', 0)
  queue.put(0, 0, 100, 1)
  queue.put(2 * PER_FILE, 100, 100, 1)
}

test('an entry behind slots that hold nothing outlives a kill and then a power cut', async () => {
  const disk = new SimulatedDisk()
  const queues = await open(disk)
  put(queues)
  await queues.writeOut()
  const killed = disk.kill()
  const recovered = await open(killed)
  await recovered.cutAt(200)
  put(recovered)
  await recovered.flush()
  for (let seed = 0; seed < 20; seed++) {
    const again = await open(killed.powerCut(seed))
    await again.cutAt(200)
    expect(again.queue('orders', 0)?.maxQueueOffset).toBe(2 * PER_FILE + 1)
  }
})
