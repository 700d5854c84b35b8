/**
 * A copy of a half message counts when it is written; one that was sent meanwhile came before it in memory, and the offset of the half
 * queue was saved past the copy: after the next open nobody ever asked about its transaction.
 */
import { expect, it } from 'vitest'
import type { Half } from '../../src/messaging/half-messages.ts'
import { HalfMessages } from '../../src/messaging/half-messages.ts'

function half(transactionId: string, queueOffset: number): Half {
  return {
    ...{ transactionId, producerGroup: 'shop', queueOffset, physicalOffset: 1000 * queueOffset, sizeBytes: 100 },
    ...{ copies: [queueOffset], checkTimes: 0, checkAtMs: 0, alarm: undefined, deciding: undefined },
  }
}

it('the lowest undecided half message holds the offset and retention back, whatever the order they came in', () => {
  const halves = new HalfMessages()
  const asked = half('asked', 3)
  halves.add(asked)
  halves.add(half('sent meanwhile', 11))
  halves.move(asked, { queueOffset: 10, physicalOffset: 10_000, sizeBytes: 100 })
  expect(halves.offsets().half).toBe(10)
  expect(halves.lowestPhysicalOffset).toBe(10_000)
})

it('an op message that a full device did not take leaves no trace', () => {
  const halves = new HalfMessages()
  halves.add(half('undecided', 5))
  const takeBack = halves.addOp(0, [5])
  expect(halves.offsets()).toEqual({ half: 5, op: 0 })
  takeBack()
  halves.addOp(0, [5])
  halves.remove(halves.get('undecided') as Half)
  expect(halves.offsets()).toEqual({ half: 6, op: 1 })
})
