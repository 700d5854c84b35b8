import { describe, expect, test } from 'vitest'
import { GroupOffsets } from '../../src/messaging/group-offsets.ts'
import { QueueCursor } from '../../src/messaging/queue-cursor.ts'
import type { GetResult, StoredMessage } from '../../src/store/message-store.ts'

const message = (queueOffset: number): StoredMessage => ({ queueOffset, sizeBytes: 100 }) as StoredMessage
const found = (offsets: readonly number[], nextQueueOffset: number): GetResult => ({
  status: 'found',
  messages: offsets.map(message),
  nextQueueOffset,
  minQueueOffset: 0,
  maxQueueOffset: 100,
})

function cursorOf(committed = 0, end = 100): QueueCursor<string> {
  const entry = new GroupOffsets(() => undefined).obtain('g', 't', 0, () => committed)
  return new QueueCursor<string>(entry, end, { bytes: 0 })
}

function read(cursor: QueueCursor<string>, offsets: readonly number[], next: number): void {
  const asked = cursor.nextRead(64)
  if (asked === undefined) throw new Error('nothing to read')
  cursor.accept(asked, found(offsets, next), () => true)
}

function takeAll(cursor: QueueCursor<string>): number[] {
  const offsets: number[] = []
  for (let next = cursor.peek(); next !== undefined; next = cursor.peek()) {
    cursor.take()
    cursor.hold(next.queueOffset, 'me')
    offsets.push(next.queueOffset)
  }
  return offsets
}

describe("a group's place in a queue", () => {
  test('what a read skips was not for the group, and is done', () => {
    const cursor = cursorOf()
    read(cursor, [1, 4], 6)
    expect(takeAll(cursor)).toEqual([1, 4])
    expect([cursor.entry.ranges.committed, cursor.entry.ranges.above()]).toEqual([
      1,
      [
        { start: 2, end: 4 },
        { start: 5, end: 6 },
      ],
    ])
  })

  test('its place in the log is known of the last message of the queue, of no other and of none from before', () => {
    const cursor = cursorOf(99)
    const placeOf = (): unknown => {
      const asked = cursor.nextRead(64)
      return asked === undefined ? 'nothing to read' : cursor.placeOf(asked)
    }
    expect(placeOf()).toBe(undefined)
    read(cursor, [99], 100)
    cursor.grewTo(101, 7000, 300)
    expect(placeOf()).toEqual({ physicalOffset: 7000, sizeBytes: 300 })
    cursor.grewTo(102, 9000, 300)
    expect(placeOf()).toBe(undefined)
    read(cursor, [100], 101)
    expect(placeOf()).toEqual({ physicalOffset: 9000, sizeBytes: 300 })
  })

  test('what does not match exactly is done without being handed out', () => {
    const cursor = cursorOf()
    const asked = cursor.nextRead(64)
    if (asked !== undefined) cursor.accept(asked, found([0, 1, 2], 3), one => one.queueOffset === 1)
    expect([takeAll(cursor), cursor.entry.ranges.committed]).toEqual([[1], 1])
  })

  test('done ranges above the commit are not read again', () => {
    const cursor = cursorOf()
    cursor.entry.ranges.add(0, 3)
    cursor.entry.ranges.add(5, 8)
    read(cursor, [3, 4, 5, 6, 7, 8], 9)
    expect(takeAll(cursor)).toEqual([3, 4, 8])
  })

  test('messages that are let go come before all later ones, in order', () => {
    const cursor = cursorOf()
    read(cursor, [0, 1, 2, 3], 4)
    expect(takeAll(cursor)).toEqual([0, 1, 2, 3])
    read(cursor, [4, 5], 6)
    for (const offset of [2, 0, 3]) cursor.release(offset)
    expect(cursor.peek()).toBeUndefined()
    expect(cursor.nextRead(64)).toMatchObject({ queueOffset: 0, maxMessages: 1, isAgain: true })
    read(cursor, [0], 1)
    expect(takeAll(cursor)).toEqual([0])
    read(cursor, [2, 3], 4)
    expect(takeAll(cursor)).toEqual([2, 3, 4, 5])
  })

  test('a message let go while later ones were read again still comes first', () => {
    const cursor = cursorOf()
    read(cursor, [0, 1, 2, 3], 4)
    takeAll(cursor)
    for (const offset of [1, 2, 3]) cursor.release(offset)
    read(cursor, [1, 2, 3], 4)
    cursor.release(0)
    read(cursor, [0], 1)
    read(cursor, [1, 2, 3].slice(0, 0), 1)
    expect(takeAll(cursor)).toEqual([0])
  })

  test('a read that was under way when the offset was reset changes nothing', () => {
    const cursor = cursorOf(5)
    const asked = cursor.nextRead(64)
    cursor.entry.reset(2)
    cursor.restart()
    if (asked !== undefined) cursor.accept(asked, found([5, 6], 7), () => true)
    expect([cursor.peek(), cursor.nextRead(64)?.queueOffset]).toEqual([undefined, 2])
  })

  test('a message that is gone from the store is done when it was to be read again', () => {
    const cursor = cursorOf()
    read(cursor, [0, 1], 2)
    takeAll(cursor)
    cursor.release(0)
    read(cursor, [], 50)
    cursor.done(1)
    expect(cursor.entry.ranges.committed).toBe(2)
  })
})
