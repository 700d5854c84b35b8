import { describe, expect, test } from 'vitest'
import type { Receipt } from '../../src/messaging/receipt-handle.ts'
import { formatReceipt, parseReceipt, receiptOf } from '../../src/messaging/receipt-handle.ts'

const receipt: Receipt = {
  startOffset: 7,
  popTimeMs: 1_795_241_750_667,
  invisibleMs: 60_000,
  reviveQueueId: 3,
  topicType: 0,
  brokerName: 'pocketmq',
  queueId: 2,
  queueOffset: 9,
}

describe('receipt handles', () => {
  test('are the eight fields of RocketMQ, space-joined', () => {
    expect(formatReceipt(receipt)).toBe('7 1795241750667 60000 3 0 pocketmq 2 9')
    expect(parseReceipt('7 1795241750667 60000 3 0 pocketmq 2 9')).toEqual(receipt)
  })

  test('of the messages of a batch differ in the last field alone', () => {
    expect(receiptOf(formatReceipt(receipt), 12)).toBe('7 1795241750667 60000 3 0 pocketmq 2 12')
  })

  test("with further fields, as RocketMQ's proxy makes them, are read by position", () => {
    expect(parseReceipt('7 1795241750667 60000 3 2 broker-a 2 9 4711 x')).toEqual({
      ...receipt,
      topicType: 2,
      brokerName: 'broker-a',
    })
  })

  test.each([
    '',
    '1 2 3',
    '7 1795241750667 60000 3 4 broker-a 2 9',
    '7 1795241750667 60000 3 0 pocketmq 2',
    '7 -1 60000 3 0 pocketmq 2 9',
    'a b c d e f g h',
    `${'9'.repeat(17)} 1 1 1 0 b 2 9`,
  ])('refuse %j with INVALID_RECEIPT_HANDLE', handle => {
    expect(() => parseReceipt(handle)).toThrowError(
      expect.objectContaining({ code: 'POCKETMQ_INVALID_RECEIPT_HANDLE' }),
    )
  })
})
