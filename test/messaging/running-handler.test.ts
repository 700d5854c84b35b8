import { describe, expect, test } from 'vitest'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { HandledMessage } from '../../src/messaging/running-handler.ts'
import { handlerTimeout, RunningHandler, RunningHandlers } from '../../src/messaging/running-handler.ts'

function handled(queueOffset: number): HandledMessage {
  const batch = { queueTopic: 'orders', queueId: 0, receipt: '', acked: [] }
  return { batch, queueOffset, message: { messageId: `m${queueOffset}` } as MessageView }
}

function running(queueOffset: number): RunningHandler {
  const { batch, message } = handled(queueOffset)
  return new RunningHandler(batch, queueOffset, message, 0)
}

describe('a running handler', () => {
  test('has a signal that aborts with the reason, whether it is asked for before or after', () => {
    const [early, late] = [running(1), running(2)]
    const { signal } = early
    const reason = handlerTimeout(early.message, 500)
    early.abort(reason)
    late.abort(reason)
    expect([signal.aborted, signal.reason]).toEqual([true, reason])
    expect([late.signal.aborted, late.signal.reason]).toEqual([true, reason])
    expect(late.signal).toBe(late.signal)
    expect(reason).toMatchObject({ code: 'POCKETMQ_TIMEOUT', details: { messageId: 'm1', afterMs: 500 } })
  })

  test('has a signal that does not abort while nobody aborts it', () => {
    expect(running(1).signal.aborted).toBe(false)
  })

  test('knows all its messages, the first one first', () => {
    const { batch, message } = handled(1)
    const several = new RunningHandler(batch, 1, message, 0, { others: [handled(2), handled(3)] })
    expect(several.all.map(one => one.queueOffset)).toEqual([1, 2, 3])
    expect(running(7).all.map(one => one.queueOffset)).toEqual([7])
  })
})

describe('running handlers', () => {
  test('are in the order they began, whoever ends in between', () => {
    const list = new RunningHandlers()
    const four = [running(0), running(1), running(2), running(3)] as const
    for (const one of four) list.add(one)
    list.remove(four[2])
    expect([list.size, list.first]).toEqual([3, four[0]])
    list.remove(four[0])
    expect(list.first).toBe(four[1])
    list.remove(four[1])
    list.remove(four[3])
    expect([list.size, list.first]).toEqual([0, undefined])
    list.add(four[0])
    expect(list.first).toBe(four[0])
  })
})
