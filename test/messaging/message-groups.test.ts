import { describe, expect, test } from 'vitest'
import type { WaitingMessage } from '../../src/messaging/message-groups.ts'
import { GROUP_WAITING_MAX, MessageGroups } from '../../src/messaging/message-groups.ts'
import type { StoredMessage } from '../../src/store/message-store.ts'

function message(queueOffset: number, group: string | undefined, sizeBytes = 100): StoredMessage {
  return { queueOffset, sizeBytes, property: () => group } as unknown as StoredMessage
}

/** Takes what may go out, as far as it goes; answers the offsets. */
function takeAll(book: MessageGroups): number[] {
  const offsets: number[] = []
  for (let next = book.peek(); next !== undefined; next = book.peek()) {
    book.take(next)
    offsets.push(next.queueOffset)
  }
  return offsets
}

describe('the message groups of a queue', () => {
  test('give out one message of each group at a time, and those without a group at once', () => {
    const book = new MessageGroups({ bytes: 0 }, 64 * 1024 * 1024)
    for (const [i, group] of ['a', 'a', 'b', undefined, undefined, 'b'].entries()) book.add(message(i, group))
    expect([takeAll(book), book.waitingCount]).toEqual([[0, 2, 3, 4], 2])
    expect([book.ended(0), takeAll(book)]).toEqual([true, [1]])
    expect([book.ended(3), book.ended(2), takeAll(book)]).toEqual([false, true, [5]])
    expect([book.ended(1), book.waitingCount]).toEqual([false, 0])
  })

  test('park a group behind its failed message, which comes first again, and let the others go on', () => {
    const book = new MessageGroups({ bytes: 0 }, 64 * 1024 * 1024)
    for (const [i, group] of ['a', 'a', 'b', 'b'].entries()) book.add(message(i, group))
    expect(takeAll(book)).toEqual([0, 2])
    book.park(0)
    expect([book.ended(2), takeAll(book)]).toEqual([true, [3]])
    book.unpark(0)
    const next = book.peek() as WaitingMessage
    expect([next.queueOffset, next.isAgain, next.message]).toEqual([0, true, undefined])
    expect(takeAll(book)).toEqual([0])
    book.ended(0)
    expect(takeAll(book)).toEqual([1])
  })

  test('take in no more than they may, and know where a message lies without its record', () => {
    const book = new MessageGroups({ bytes: 0 }, 64 * 1024 * 1024)
    for (let i = 0; i < GROUP_WAITING_MAX; i++) book.add(message(i, 'a', 8 * 1024 * 1024))
    expect([book.isFull, book.waitingCount]).toEqual([true, GROUP_WAITING_MAX])
    const kept: boolean[] = []
    for (let i = 0; i < 4; i++) {
      const next = book.peek() as WaitingMessage
      kept.push(next.message !== undefined)
      book.take(next)
      book.ended(next.queueOffset)
    }
    expect(kept).toEqual([true, true, false, false])
    expect(book.isFull).toBe(false)
  })

  test('keep records only while all groups of the store together have room for them', () => {
    const memory = { bytes: 0 }
    const [one, other] = [new MessageGroups(memory, 250), new MessageGroups(memory, 250)]
    for (let i = 0; i < 3; i++) one.add(message(i, 'a'))
    other.add(message(0, 'a'))
    expect([memory.bytes, other.peek()?.message]).toEqual([300, undefined])
    one.take(one.peek() as WaitingMessage)
    expect(memory.bytes).toBe(200)
    one.letGoOfRecords()
    expect(memory.bytes).toBe(0)
  })

  test('let go of records when nobody wants them', () => {
    const book = new MessageGroups({ bytes: 0 }, 64 * 1024 * 1024)
    for (const [i, group] of ['a', 'a', undefined].entries()) book.add(message(i, group))
    book.letGoOfRecords()
    expect(book.peek()).toMatchObject({ queueOffset: 0, message: undefined, keptBytes: 0 })
  })

  test('know nothing of a message that was never given out', () => {
    const book = new MessageGroups({ bytes: 0 }, 64 * 1024 * 1024)
    book.unpark(7)
    expect(book.ended(7)).toBe(false)
  })
})
