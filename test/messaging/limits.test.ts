import { describe, expect, test } from 'vitest'
import type { PocketMQError } from '../../src/base/errors.ts'
import {
  checkBodySize,
  checkGroupName,
  checkKey,
  checkMessageGroup,
  checkTag,
  checkTopicName,
  checkUserPropertiesSize,
  checkUserProperty,
  checkUserTopic,
} from '../../src/messaging/limits.ts'

function refusal(check: () => void): PocketMQError {
  try {
    check()
  } catch (error) {
    return error as PocketMQError
  }
  throw new Error('it was accepted')
}

describe('names and sizes', () => {
  test.each<[string, () => void]>([
    ['an empty topic', () => checkTopicName('')],
    ['a topic of 128 characters', () => checkTopicName('t'.repeat(128))],
    ['a topic with a space', () => checkTopicName('a b')],
    ['a topic with a slash', () => checkTopicName('../etc')],
    ['a topic that is a number', () => checkTopicName(7)],
    ['a retry topic of 256 characters', () => checkTopicName(`%RETRY%${'g'.repeat(249)}`)],
    ['a system topic', () => checkUserTopic('SCHEDULE_TOPIC_XXXX')],
    ['a topic with the system prefix', () => checkUserTopic('rmq_sys_mine')],
    ['the template topic', () => checkUserTopic('TBW102')],
    ['a group of 121 characters', () => checkGroupName('g'.repeat(121))],
    ['an empty group', () => checkGroupName('')],
    ['a group with an at sign', () => checkGroupName('a@b')],
    ['a blank tag', () => checkTag('  ')],
    ['a tag with the separator of subscriptions', () => checkTag('a||b')],
    ['a tag with a control character', () => checkTag('a\n')],
    ['a tag that is an array', () => checkTag(['a'])],
    ['a key with a space', () => checkKey('a b')],
    ['an empty key', () => checkKey('')],
    ['a key with a line break', () => checkKey('a\nb')],
    ['a message group of 64 bytes', () => checkMessageGroup('x'.repeat(64))],
    ['a message group of 22 three-byte characters', () => checkMessageGroup('語'.repeat(22))],
    ['a blank message group', () => checkMessageGroup(' ')],
    ['a message group with a control character', () => checkMessageGroup('a\u0001')],
    ['a reserved property', () => checkUserProperty('UNIQ_KEY', 'x')],
    ['a property of ours', () => checkUserProperty('PMQ_UNIT', 'x')],
    ['a property with a separator', () => checkUserProperty('a', 'x\u0002')],
    ['a property with a separator in its name', () => checkUserProperty('a\u0001', 'x')],
    ['an empty property', () => checkUserProperty('a', '')],
    ['a property that is a number', () => checkUserProperty('a', 5)],
    ['a nameless property', () => checkUserProperty('', 'x')],
    ['129 properties', () => checkUserPropertiesSize(129, 10)],
    ['an empty body', () => checkBodySize(0, false)],
  ])('%s is refused, with field, limit, actual and a hint', (_what, check) => {
    const error = refusal(check)
    expect(error.code).toBe('POCKETMQ_INVALID_ARGUMENT')
    expect(Object.keys(error.details).sort()).toEqual(['actual', 'field', 'limit'])
    expect(error.hint).not.toBe('')
  })

  test('too many bytes are MESSAGE_TOO_LARGE', () => {
    expect(refusal(() => checkBodySize(4 * 1024 * 1024 + 1, false)).code).toBe('POCKETMQ_MESSAGE_TOO_LARGE')
    expect(refusal(() => checkUserPropertiesSize(1, 16 * 1024 + 1)).details).toEqual({
      field: 'properties',
      limit: 16_384,
      actual: 16_385,
    })
  })

  test('what is just within the limits is accepted', () => {
    // RocketMQ's newer retry topic of pop consumers.
    checkTopicName('%RETRY%group+topic')
    expect(refusal(() => checkTopicName('group+topic')).code).toBe('POCKETMQ_INVALID_ARGUMENT')
    checkTopicName('t'.repeat(127))
    checkTopicName(`%RETRY%${'g'.repeat(248)}`)
    checkUserTopic('%my|topic-1_A')
    checkGroupName('g'.repeat(120))
    checkTag('paid')
    checkKey('order-42/ü')
    checkMessageGroup('x'.repeat(63))
    checkMessageGroup('語'.repeat(21))
    checkUserProperty('region', 'eu west')
    checkUserPropertiesSize(128, 16 * 1024)
    checkBodySize(4 * 1024 * 1024, false)
    checkBodySize(0, true)
  })
})
