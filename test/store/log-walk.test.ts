import { expect, test } from 'vitest'
import { ALL_CHECKS } from '../../src/codec/record-cursor.ts'
import { RecordEncoder } from '../../src/codec/record-encoder.ts'
import type { LogWalkOptions } from '../../src/store/log-walk.ts'
import { LogWalk } from '../../src/store/log-walk.ts'
import { QueueExpectations } from '../../src/store/queue-expectations.ts'
import { MemoryLog } from './memory-log.ts'

type Walked = {
  starts: number[]
  damaged: [number, number][]
  reasons: string[]
  end: number
  tail: number | undefined
}

async function walkAll(log: MemoryLog, options: Partial<LogWalkOptions> = {}): Promise<Walked> {
  const expectations = new QueueExpectations({ queue: () => undefined }, true)
  const walk = new LogWalk(log, {
    from: 0,
    limit: () => log.end,
    checks: () => ALL_CHECKS,
    accepts: (cursor, damageStart) => expectations.accepts(cursor, damageStart),
    ...options,
  })
  const walked: Walked = { starts: [], damaged: [], reasons: [], end: 0, tail: undefined }
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    if (step === 'starved') await walk.fill()
    if (step === 'record') {
      walked.starts.push(walk.cursor.physicalOffset)
      expectations.note(walk.cursor)
    }
    if (step === 'damage') {
      walked.damaged.push([walk.damage.physicalOffset, walk.damage.endPhysicalOffset])
      walked.reasons.push(walk.damage.reason)
    }
  }
  return { ...walked, end: walk.position, tail: walk.tail?.physicalOffset }
}

function filledLog(count: number, segmentBytes = 4096, bodyBytes = 60): MemoryLog {
  const log = new MemoryLog(segmentBytes, Math.ceil((count * (bodyBytes + 200)) / segmentBytes) + 2)
  for (let i = 0; i < count; i++)
    log.put({ topic: i % 3 === 0 ? 'A' : 'B', body: Buffer.alloc(bodyBytes, 65 + (i % 26)) })
  return log
}

function flip(bytes: Buffer, at: number, bits: number): void {
  bytes[at] = (bytes[at] as number) ^ bits
}

const startsOf = (log: MemoryLog): number[] => log.places.map(place => place.start)

test('every record of several segments is met once, in order', async () => {
  const log = filledLog(200)
  const walked = await walkAll(log)
  expect(walked).toEqual({ starts: startsOf(log), damaged: [], reasons: [], end: log.end, tail: undefined })
})

test('a walk in small chunks meets the same records', async () => {
  const log = filledLog(200)
  expect((await walkAll(log, { chunkBytes: 100 })).starts).toEqual(startsOf(log))
})

test.each([100, 300, 1000, 2500])('a walk that reads ahead by %i bytes meets the same', async chunkBytes => {
  const log = new MemoryLog(8192, 24)
  for (let i = 0; i < 300; i++) log.put({ topic: 'A', body: Buffer.alloc((i * 37) % 900, i) })
  for (let i = 5; i < 300; i += 23) flip(log.bytes, (log.places[i] as { start: number }).start + 12 + (i % 60), 1)
  const walked = await walkAll(log, { chunkBytes })
  expect(walked.damaged.length).toBeGreaterThan(5)
  expect(await walkAll(log, { chunkBytes, readsAhead: true })).toEqual(walked)
})

test('a walk that reads ahead meets records that are longer than what it reads at a time', async () => {
  const log = new MemoryLog(2 ** 22, 1)
  for (let i = 0; i < 40; i++) log.put({ topic: 'A', body: Buffer.alloc(i % 7 === 3 ? 300_000 : 20_000 * (i % 4), i) })
  const walked = await walkAll(log, { chunkBytes: 65_536, readsAhead: true })
  expect(walked).toEqual({ starts: startsOf(log), damaged: [], reasons: [], end: log.end, tail: undefined })
})

test('hot bytes are walked without waiting', () => {
  const log = filledLog(50)
  log.hotFrom = 0
  const walk = new LogWalk(log, { from: 0, limit: () => log.end, checks: () => ALL_CHECKS })
  let records = 0
  for (let step = walk.step(); step !== 'end'; step = walk.step()) {
    expect(step).not.toBe('starved')
    if (step === 'record') records++
  }
  expect(records).toBe(50)
})

test('what is appended after the end was met is met by the next step', async () => {
  const log = filledLog(3)
  const walk = new LogWalk(log, { from: log.end, limit: () => log.end, checks: () => ALL_CHECKS })
  expect(walk.step()).toBe('end')
  const place = log.put({ topic: 'A' })
  expect(walk.step()).toBe('starved')
  await walk.fill()
  expect(walk.step()).toBe('record')
  expect(walk.cursor.physicalOffset).toBe(place.start)
})

test('a flipped bit anywhere in a record costs that record and no other', async () => {
  const log = filledLog(40)
  const victim = log.places[20] as { start: number; end: number }
  const others = startsOf(log).filter(start => start !== victim.start)
  for (let bit = 0; bit < (victim.end - victim.start) * 8; bit++) {
    const at = victim.start + (bit >>> 3)
    log.bytes[at] = (log.bytes[at] as number) ^ (1 << (bit & 7))
    const walked = await walkAll(log)
    expect(walked.starts, `bit ${bit}`).toEqual(others)
    expect(walked.damaged, `bit ${bit}`).toEqual([[victim.start, victim.end]])
    log.bytes[at] = (log.bytes[at] as number) ^ (1 << (bit & 7))
  }
})

test('neighbours of one size do not hide behind a flipped size', async () => {
  // All records take 256 bytes, so a size with one bit more leads exactly to a later record.
  const log = new MemoryLog(16_384, 2)
  const overhead = log.put({ topic: 'A', body: Buffer.alloc(0) }).end
  for (let i = 0; i < 30; i++) log.put({ topic: 'A', body: Buffer.alloc(256 - overhead, i) })
  const victim = log.places[10] as { start: number; end: number }
  expect(victim.end - victim.start).toBe(256)
  for (let bit = 0; bit < 32; bit++) {
    const at = victim.start + (bit >>> 3)
    log.bytes[at] = (log.bytes[at] as number) ^ (1 << (bit & 7))
    expect((await walkAll(log)).damaged, `bit ${bit}`).toEqual([[victim.start, victim.end]])
    log.bytes[at] = (log.bytes[at] as number) ^ (1 << (bit & 7))
  }
})

test('two damaged neighbours are two ranges', async () => {
  const log = filledLog(10)
  const [first, second] = [log.places[4], log.places[5]]
  flip(log.bytes, (first?.start ?? 0) + 100, 1)
  flip(log.bytes, (second?.start ?? 0) + 100, 1)
  expect((await walkAll(log)).damaged).toEqual([
    [first?.start, first?.end],
    [second?.start, second?.end],
  ])
})

test('a wiped head is passed over by searching for the next record', async () => {
  const log = filledLog(60)
  const victim = log.places[33] as { start: number; end: number }
  log.bytes.fill(0, victim.start, victim.start + 100)
  for (const chunkBytes of [64, 100, 1000, 1 << 20]) {
    const walked = await walkAll(log, { chunkBytes })
    expect(walked.damaged).toEqual([[victim.start, victim.end]])
    expect(walked.reasons).toEqual(['nothing was written here'])
    expect(walked.starts).toHaveLength(59)
  }
})

test('damage up to the end of a segment ends there', async () => {
  const log = filledLog(60)
  const border = 4096
  const last = log.places.filter(place => place.end < border).at(-1) as { start: number }
  log.bytes.fill(0xff, last.start, border)
  const walked = await walkAll(log)
  expect(walked.damaged).toEqual([[last.start, border]])
  expect(walked.starts).toHaveLength(59)
})

test('a filler that does not end at its segment is damage up to that end', async () => {
  const log = filledLog(60)
  const last = log.places.filter(place => place.end < 4096).at(-1) as { end: number }
  log.bytes.writeInt32BE(log.bytes.readInt32BE(last.end) - 1, last.end)
  expect((await walkAll(log)).damaged).toEqual([[last.end, 4096]])
})

test('a whole record inside a body is never taken for one of the log', async () => {
  const log = new MemoryLog(16_384, 1)
  log.put({ topic: 'A' })
  const outer = { topic: 'A', body: Buffer.alloc(600, 32) }
  const bodyStart = log.end + 88
  const encoder = new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc: true, messageBytesMax: 1 << 20 })
  encoder.prepare({ topic: 'A', queueId: 0, body: Buffer.from('forged') })
  const view = new DataView(outer.body.buffer, outer.body.byteOffset, outer.body.length)
  encoder.encode(outer.body, view, 100, 2, bodyStart + 100, 1_700_000_000_000)
  const victim = log.put(outer)
  const next = log.put({ topic: 'A' })
  // Its lengths agree: nothing inside it is looked at.
  flip(log.bytes, victim.start + 89, 1)
  expect((await walkAll(log)).starts).toEqual([0, next.start])
  flip(log.bytes, victim.start + 89, 1)
  // Its total size is wrong: its other lengths still lead behind it.
  flip(log.bytes, victim.start + 2, 1)
  expect((await walkAll(log)).starts).toEqual([0, next.start])
})

test('a forged record of a wrong queue place is not believed when everything in front of it is lost', async () => {
  const log = new MemoryLog(16_384, 1)
  log.put({ topic: 'A' })
  const outer = { topic: 'A', body: Buffer.alloc(600, 32) }
  const bodyStart = log.end + 88
  const encoder = new RecordEncoder({ storeHost: '127.0.0.1:10911', recordCrc: true, messageBytesMax: 1 << 20 })
  encoder.prepare({ topic: 'A', queueId: 0, body: Buffer.from('forged') })
  const view = new DataView(outer.body.buffer, outer.body.byteOffset, outer.body.length)
  encoder.encode(outer.body, view, 100, 77, bodyStart + 100, 1_700_000_000_000)
  const victim = log.put(outer)
  const next = log.put({ topic: 'A' })
  log.bytes.fill(0, victim.start, victim.start + 88)
  expect((await walkAll(log)).starts).toEqual([0, next.start])
})

test('a bad record at or beyond the flushed mark ends the walk, whatever follows', async () => {
  const log = filledLog(20)
  const victim = log.places[15] as { start: number }
  flip(log.bytes, victim.start + 100, 1)
  const walked = await walkAll(log, { wholeTo: victim.start, limit: () => log.filesEnd })
  expect(walked).toMatchObject({ damaged: [], end: victim.start, tail: victim.start })
})

test('below the flushed mark the same record is damage, and the mark itself is where the walk goes on', async () => {
  const log = filledLog(20)
  const victim = log.places[15] as { start: number; end: number }
  log.bytes.fill(0xee, victim.start, victim.start + 30)
  log.bytes.fill(0, victim.end)
  const walked = await walkAll(log, { wholeTo: victim.end, limit: () => log.filesEnd })
  expect(walked).toMatchObject({ damaged: [[victim.start, victim.end]], end: victim.end, tail: victim.end })
})

test('in a log of unknown end a bad record is damage where a good one follows, in a later segment too', async () => {
  const log = filledLog(60)
  const inFirst = log.places.filter(place => place.start < 4096)
  log.bytes.fill(0xff, inFirst[3]?.start, 4096)
  const walked = await walkAll(log, { wholeTo: 0, beyond: 'search', limit: () => log.filesEnd })
  expect(walked.damaged).toEqual([[inFirst[3]?.start, 4096]])
  expect(walked.starts).toHaveLength(60 - inFirst.length + 3)
  expect(walked.tail).toBe(log.end)
})

test('in a log of unknown end garbage behind the last record is the tail', async () => {
  const log = filledLog(20)
  log.bytes.fill(0xda, log.end, log.end + 300)
  const walked = await walkAll(log, { wholeTo: 0, beyond: 'search', limit: () => log.filesEnd })
  expect(walked).toMatchObject({ damaged: [], end: log.end, tail: log.end })
})

test('a size that one flipped bit made huge does not cost the memory it claims', async () => {
  const log = new MemoryLog(64 << 20, 1)
  const victim = log.put({ topic: 'A' })
  const next = log.put({ topic: 'A' })
  flip(log.bytes, victim.start, 2)
  const largest: number[] = []
  const read = log.read.bind(log)
  log.read = (target, at) => {
    largest.push(target.length)
    return read(target, at)
  }
  const walked = await walkAll(log, { wholeTo: log.end, limit: () => log.filesEnd })
  expect(walked.starts).toEqual([next.start])
  expect(Math.max(...largest)).toBeLessThanOrEqual(1 << 20)
})

test('searching through bytes full of heads gives way in between', async () => {
  const log = new MemoryLog(1 << 20, 1)
  log.put({ topic: 'A' })
  const start = log.end
  const head = Buffer.alloc(100)
  for (let at = start; at + 200 < log.filesEnd; at += 100) {
    head.writeInt32BE(Math.min(400_000, log.filesEnd - at), 0)
    head.writeUInt32BE(0xdaa320a7, 4)
    head.writeBigInt64BE(BigInt(at), 28)
    head.copy(log.bytes, at)
  }
  const walk = new LogWalk(log, {
    from: 0,
    limit: () => log.filesEnd,
    checks: () => ALL_CHECKS,
    wholeTo: 0,
    beyond: 'search',
  })
  let longest = 0
  for (let step = walk.step(); step !== 'end'; ) {
    if (step === 'starved') await walk.fill()
    const startedMs = performance.now()
    step = walk.step()
    longest = Math.max(longest, performance.now() - startedMs)
  }
  expect(walk.tail?.physicalOffset).toBe(start)
  expect(longest).toBeLessThan(200)
})
