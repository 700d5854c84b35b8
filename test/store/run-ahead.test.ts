import { expect, it } from 'vitest'
import { Watermark } from '../../src/base/watermark.ts'
import type { RunLog } from '../../src/store/run-ahead.ts'
import { RunAhead } from '../../src/store/run-ahead.ts'

const SEGMENT_BYTES = 8 * 1024 * 1024
const RUN_BYTES = 1024 * 1024

/** A log whose byte at place p says so, and which counts what is asked of it. */
class CountedLog implements RunLog {
  minOffset = 0
  readonly written: Watermark
  reads = 0
  isBroken = false

  constructor(writtenBytes: number) {
    this.written = new Watermark('written', writtenBytes)
  }

  segmentEnd(physicalOffset: number): number {
    return physicalOffset - (physicalOffset % SEGMENT_BYTES) + SEGMENT_BYTES
  }

  async read(target: Uint8Array, physicalOffset: number): Promise<number> {
    this.reads++
    if (this.isBroken) throw new Error('EIO')
    for (let i = 0; i < target.length; i++) target[i] = byteAt(physicalOffset + i)
    return target.length
  }
}

function byteAt(physicalOffset: number): number {
  return (physicalOffset * 31 + (physicalOffset >>> 8)) & 255
}

function isRight(taken: { bytes: Buffer; start: number }, from: number, bytes: number): boolean {
  for (let i = 0; i < bytes; i++) if (taken.bytes[taken.start + i] !== byteAt(from + i)) return false
  return true
}

it('only those who read in order are read ahead for', async () => {
  const runs = new RunAhead(new CountedLog(SEGMENT_BYTES))
  expect(await runs.take(0, 1000)).toBeUndefined()
  runs.noteEnd(1000)
  expect(await runs.take(5000, 1000)).toBeUndefined()
  expect(await runs.take(1000, 1000)).toBeDefined()
})

it('a reader in order gets every byte, whatever the lengths, and the log is asked a few times', async () => {
  const log = new CountedLog(SEGMENT_BYTES)
  const runs = new RunAhead(log)
  runs.noteEnd(0)
  let at = 0
  for (let i = 0; at < 6 * RUN_BYTES; i++) {
    const bytes = 1 + ((i * 7919) % 200_000)
    const taken = runs.takeNow(at, bytes) ?? (await runs.take(at, bytes))
    expect(taken !== undefined && isRight(taken, at, bytes)).toBe(true)
    at += bytes
  }
  expect(log.reads).toBeLessThanOrEqual(8)
})

it('no byte is handed out twice', async () => {
  const runs = new RunAhead(new CountedLog(SEGMENT_BYTES))
  runs.noteEnd(0)
  const first = await runs.take(0, 1000)
  expect(runs.takeNow(0, 1000)).toBeUndefined()
  expect(await runs.take(0, 1000)).toBeUndefined()
  const second = runs.takeNow(1000, 1000)
  first?.bytes.fill(0, first.start, first.start + 1000)
  expect(second !== undefined && isRight(second, 1000, 1000)).toBe(true)
})

it('nothing at or beyond what is written is taken, nor what retention removed', async () => {
  const log = new CountedLog(5000)
  const runs = new RunAhead(log)
  runs.noteEnd(0)
  expect(await runs.take(0, 4000)).toBeDefined()
  expect(runs.takeNow(4000, 1001)).toBeUndefined()
  log.minOffset = 4500
  expect(runs.takeNow(4000, 1000)).toBeUndefined()
})

it('where the log cannot be read ahead, the reader is sent to read by himself', async () => {
  const log = new CountedLog(SEGMENT_BYTES)
  const runs = new RunAhead(log)
  runs.noteEnd(0)
  log.isBroken = true
  expect(await runs.take(0, 1000)).toBeUndefined()
})

it('runs end with their segment', async () => {
  const log = new CountedLog(2 * SEGMENT_BYTES)
  const runs = new RunAhead(log)
  runs.noteEnd(SEGMENT_BYTES - 1000)
  expect(await runs.take(SEGMENT_BYTES - 1000, 2000)).toBeUndefined()
  runs.noteEnd(SEGMENT_BYTES - 1000)
  expect(await runs.take(SEGMENT_BYTES - 1000, 1000)).toBeDefined()
})
