import { describe, expect, it } from 'vitest'
import { decodeConsumerOffsets, encodeConsumerOffsets } from '../../src/codec/consumer-offset-json.ts'
import { nextDataVersion } from '../../src/codec/data-version.ts'
import { decodeDelayOffsets, encodeDelayOffsets } from '../../src/codec/delay-offset-json.ts'
import { decodeGroups, encodeGroups } from '../../src/codec/groups-json.ts'
import {
  decodeSubscriptionGroups,
  encodeSubscriptionGroups,
  subscriptionGroupConfig,
} from '../../src/codec/subscription-group-json.ts'
import { decodeTopics, encodeTopics, topicConfig } from '../../src/codec/topics-json.ts'

const corrupt = expect.objectContaining({ code: 'POCKETMQ_CORRUPT' })
const VERSION = '"dataVersion":{"counter":17,"stateVersion":0,"timestamp":1795242540261}'

// Each text is an excerpt of a live 5.5.0 broker's file (golden g4).
const TOPICS = `{
	${VERSION},
	"topicConfigTable":{
		"delay":{
			"attributes":{
				"message.type":"DELAY"
			},
			"order":false,
			"perm":6,
			"readQueueNums":2,
			"topicFilterType":"SINGLE_TAG",
			"topicName":"delay",
			"topicSysFlag":0,
			"writeQueueNums":2
		},
		"%RETRY%g_fifo":{
			"attributes":{},
			"order":true,
			"perm":6,
			"readQueueNums":1,
			"topicFilterType":"SINGLE_TAG",
			"topicName":"%RETRY%g_fifo",
			"topicSysFlag":0,
			"writeQueueNums":1
		}
	}
}`

describe('topics.json', () => {
  it('reads as the broker wrote it', () => {
    const { dataVersion, topics, rest } = decodeTopics(TOPICS)
    expect(dataVersion).toEqual({ counter: 17, stateVersion: 0, timestamp: 1_795_242_540_261 })
    expect([...topics.keys()]).toEqual(['delay', '%RETRY%g_fifo'])
    expect(topics.get('delay')).toEqual(topicConfig('delay', 2, { 'message.type': 'DELAY' }))
    expect(topics.get('%RETRY%g_fifo')).toEqual({ ...topicConfig('%RETRY%g_fifo', 1), order: true })
    expect(rest).toEqual({})
  })

  it('keeps fields it does not know, of the file and of a topic', () => {
    const text = TOPICS.replace('"order":false', '"order":false,"newField":[1,{"x":null}]').replace(
      '{',
      '{"later":true,',
    )
    const again = decodeTopics(encodeTopics(decodeTopics(text)))
    expect(again).toEqual(decodeTopics(text))
    expect(again.rest).toEqual({ later: true })
    expect(again.topics.get('delay')?.rest).toEqual({ newField: [1, { x: null }] })
  })

  it('is written as standard JSON with a dataVersion, without which a broker deletes it', () => {
    const file = JSON.parse(encodeTopics(decodeTopics(TOPICS)))
    expect(file.dataVersion.counter).toBe(17)
    expect(file.topicConfigTable.delay).toEqual(JSON.parse(TOPICS).topicConfigTable.delay)
  })

  it('with values that cannot be is damaged', () => {
    const edits: [string, string][] = [
      ['"readQueueNums":2', '"readQueueNums":-1'],
      ['"readQueueNums":2', '"readQueueNums":1e9'],
      ['"readQueueNums":2', '"readQueueNums":"2"'],
      ['"perm":6', '"perm":6.5'],
      ['"order":false', '"order":0'],
      ['"message.type":"DELAY"', '"message.type":1'],
      ['"topicName":"delay"', '"topicName":"other"'],
      ['"counter":17', '"counter":-17'],
      ['"topicConfigTable":{', '"topicConfigTable":{"x":[],'],
    ]
    for (const [from, to] of edits) expect(() => decodeTopics(TOPICS.replace(from, to)), to).toThrow(corrupt)
  })
})

describe('consumerOffset.json', () => {
  const TEXT = `{
	${VERSION},
	"groupTopicMap":{
		"g_fail":[
			"normal",
			"%RETRY%g_fail"
		]
	},
	"offsetTable":{
		"normal@g_fail":{
			0:11,
			1:15,
			2:10,
			3:10
		},
		"%RETRY%g_fail@g_fail":{
			0:7
		}
	},
	"pullOffsetTable":{
		"normal@g_fail":{
			0:11
		}
	}
}`

  it('reads as the broker wrote it, with unquoted keys', () => {
    const { offsets, rest } = decodeConsumerOffsets(TEXT)
    expect(offsets).toEqual([
      { group: 'g_fail', topic: 'normal', queueId: 0, queueOffset: 11 },
      { group: 'g_fail', topic: 'normal', queueId: 1, queueOffset: 15 },
      { group: 'g_fail', topic: 'normal', queueId: 2, queueOffset: 10 },
      { group: 'g_fail', topic: 'normal', queueId: 3, queueOffset: 10 },
      { group: 'g_fail', topic: '%RETRY%g_fail', queueId: 0, queueOffset: 7 },
    ])
    // What a broker derives from the offsets would be stale after our next commit.
    expect(rest).toEqual({})
  })

  it('is written as standard JSON and reads the same', () => {
    const file = { ...decodeConsumerOffsets(TEXT), rest: { later: 1 } }
    expect(decodeConsumerOffsets(encodeConsumerOffsets(file))).toEqual(file)
    expect(JSON.parse(encodeConsumerOffsets(file)).offsetTable['%RETRY%g_fail@g_fail']).toEqual({ 0: 7 })
  })

  it('with values that cannot be is damaged', () => {
    const edits: [string, string][] = [
      ['normal@g_fail":{\n\t\t\t0', 'normal":{\n\t\t\t0'],
      ['normal@g_fail":{\n\t\t\t0', 'a@b@c":{\n\t\t\t0'],
      ['normal@g_fail":{\n\t\t\t0', '@g":{\n\t\t\t0'],
      ['0:11', '-1:11'],
      ['0:11', '"x":11'],
      ['0:11', '0:-11'],
      ['0:11', '0:9223372036854775807'],
      ['0:11', '0:null'],
      ['0:11', '99999999999:11'],
    ]
    for (const [from, to] of edits) expect(() => decodeConsumerOffsets(TEXT.replace(from, to)), to).toThrow(corrupt)
  })
})

describe('delayOffset.json', () => {
  const TEXT = `{\n\t${VERSION},\n\t"offsetTable":{\n\t\t1:2,\n\t\t3:7,\n\t\t16:0\n\t}\n}`

  it('reads as the broker wrote it and is written as standard JSON', () => {
    const file = decodeDelayOffsets(TEXT)
    expect(file.offsets).toEqual(
      new Map([
        [1, 2],
        [3, 7],
        [16, 0],
      ]),
    )
    expect(JSON.parse(encodeDelayOffsets(file)).offsetTable).toEqual({ 1: 2, 3: 7, 16: 0 })
    expect(decodeDelayOffsets(encodeDelayOffsets(file))).toEqual(file)
  })

  it('with values that cannot be is damaged', () => {
    for (const to of ['0:2', '"a":2', '1:-2', '1:"2"', '12345:1']) {
      expect(() => decodeDelayOffsets(TEXT.replace('1:2', to)), to).toThrow(corrupt)
    }
  })
})

describe('subscriptionGroup.json', () => {
  const TEXT = `{${VERSION},"forbiddenTable":{},"subscriptionGroupTable":{"g_fail":{"attributes":{},"brokerId":0,
    "consumeBroadcastEnable":true,"consumeEnable":true,"consumeFromMinEnable":true,"consumeMessageOrderly":false,
    "consumeTimeoutMinute":15,"groupName":"g_fail","groupRetryPolicy":{"type":"CUSTOMIZED"},"groupSysFlag":0,
    "notifyConsumerIdsChangedEnable":true,"retryMaxTimes":1,"retryQueueNums":1,"whichBrokerWhenConsumeSlowly":1}}}`

  it('reads as the broker wrote it and is written as standard JSON', () => {
    const file = decodeSubscriptionGroups(TEXT)
    expect(file.groups.get('g_fail')).toEqual({ ...subscriptionGroupConfig('g_fail'), retryMaxTimes: 1 })
    expect(JSON.parse(encodeSubscriptionGroups(file))).toEqual(JSON.parse(TEXT))
  })

  it('keeps fields it does not know', () => {
    const file = decodeSubscriptionGroups(
      TEXT.replace('"brokerId":0', '"brokerId":0,"subscriptionDataSet":[{"topic":"x"}]'),
    )
    expect(decodeSubscriptionGroups(encodeSubscriptionGroups(file))).toEqual(file)
    expect(file.groups.get('g_fail')?.rest).toEqual({ subscriptionDataSet: [{ topic: 'x' }] })
  })

  it('with values that cannot be is damaged', () => {
    for (const [from, to] of [
      ['"brokerId":0', '"brokerId":"0"'],
      ['"consumeEnable":true', '"consumeEnable":1'],
      ['"groupName":"g_fail"', '"groupName":"g"'],
      ['"retryMaxTimes":1', '"retryMaxTimes":-2'],
    ] as const) {
      expect(() => decodeSubscriptionGroups(TEXT.replace(from, to)), to).toThrow(corrupt)
    }
    expect(() => decodeSubscriptionGroups('{"subscriptionGroupTable":{"g":null}}')).toThrow(corrupt)
  })
})

describe('groups.json', () => {
  const GROUP = {
    group: 'billing',
    version: 3,
    subscriptions: [
      { topic: 'orders', type: 'TAG' as const, expression: 'paid || refunded' },
      { topic: 'audit', type: 'SQL92' as const, expression: "region = 'eu'" },
    ],
    setBy: 'host#12#1#abc',
    setAtMs: 1_795_242_540_261,
    rest: { startFrom: 'first', note: 'ü' },
  }

  it('gives back what was saved, what it does not know included', () => {
    expect(decodeGroups(encodeGroups([GROUP]))).toEqual(new Map([['billing', GROUP]]))
    expect(decodeGroups(encodeGroups([]))).toEqual(new Map())
  })

  it('changed or cut anywhere is damaged', () => {
    const text = encodeGroups([GROUP]).trimEnd()
    for (let end = 0; end < text.length; end++) expect(() => decodeGroups(text.slice(0, end))).toThrow(corrupt)
    for (const [from, to] of [
      ['paid', 'unpaid'],
      ['"PMQ1"', '"PMQ2"'],
      ['"crc":', '"crc":1'],
      ['SQL92', 'SQL99'],
      ['"version":3', '"version":4'],
    ] as const) {
      expect(() => decodeGroups(text.replace(from, to)), to).toThrow(corrupt)
    }
  })

  it('of a newer PocketMQ is refused as that', () => {
    const newer = encodeGroups([GROUP]).replace('"version":1', '"version":2')
    expect(() => decodeGroups(newer)).toThrow(expect.objectContaining({ code: 'POCKETMQ_UNSUPPORTED_FORMAT' }))
  })
})

describe('a data version', () => {
  it('counts one logical change and keeps the state version', () => {
    expect(nextDataVersion({ counter: 4, stateVersion: 2, timestamp: 9 }, 100)).toEqual({
      counter: 5,
      stateVersion: 2,
      timestamp: 100,
    })
  })
})
