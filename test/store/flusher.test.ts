/** When the log is put on the device. */
import { expect, test } from 'vitest'
import { nextTurn } from '../../src/base/turns.ts'
import { Flusher } from '../../src/store/flusher.ts'
import { appendRig, record } from './append-rig.ts'

const MIB = 1 << 20

test('a flush starts at 8 MiB that are not on the device, however much more is allowed', async () => {
  const { log, append, clock, failures } = await appendRig({ segmentBytes: 64 * MIB })
  const onFailure = (error: Error): void => void failures.push(error)
  const parts = { log, clock, intervalMs: 1000, unflushedBytesMax: 1024 * MIB, onFlushed: () => undefined, onFailure }
  const flusher = new Flusher(parts)
  const putMebibytes = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) append.put(record(MIB))
    append.writeOut()
    flusher.wake()
    for (let turn = 0; turn < 3; turn++) await nextTurn()
  }
  await putMebibytes(7)
  expect(log.flushed.value).toBe(0)
  await putMebibytes(1)
  expect(log.flushed.value).toBe(log.written.value)
  expect(failures).toEqual([])
})
