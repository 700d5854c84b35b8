/**
 * Options and messages of the official `rocketmq-client-nodejs` fit ours, so that code moves by changing an import.
 * Held by the type checker: a line that does not compile is the failure.
 */
import type {
  FilterExpression,
  MessageOptions,
  Message as TheirMessage,
  PushConsumerOptions as TheirPushOptions,
  ConsumeResult as TheirResult,
  SimpleConsumerOptions as TheirSimpleOptions,
  MessageView as TheirView,
} from 'rocketmq-client-nodejs'
import { expect, expectTypeOf, test } from 'vitest'
import type {
  HandlerResult,
  Message,
  MessageListener,
  MessageView,
  Producer,
  PushConsumerOptions,
  SendReceipt,
  SimpleConsumer,
  SimpleConsumerOptions,
  SubscriptionExpression,
  Subscriptions,
  Transaction,
} from '../../src/index.ts'

test('a message for the official client is a message for ours', () => {
  expectTypeOf<MessageOptions>().toExtend<Message>()
  const theirs: MessageOptions = {
    topic: 'orders',
    body: Buffer.from('x'),
    tag: 'paid',
    keys: ['k'],
    properties: new Map([['region', 'eu']]),
    messageGroup: 'g',
    delay: 5,
    deliveryTimestamp: new Date(),
  }
  expectTypeOf<TheirMessage>().toExtend<Message>()
  const ours: Message = theirs
  expect(ours.topic).toBe('orders')
})

test('subscriptions and consumer options have the same names and fit', () => {
  expectTypeOf<FilterExpression>().toExtend<SubscriptionExpression>()
  expectTypeOf<TheirSimpleOptions['subscriptions']>().toExtend<Subscriptions>()
  type Shared = 'consumerGroup' | 'subscriptions' | 'awaitDuration'
  expectTypeOf<Pick<TheirSimpleOptions, Shared>>().toExtend<Pick<SimpleConsumerOptions, Shared>>()
  expectTypeOf<Pick<TheirPushOptions, 'consumerGroup' | 'subscriptions'>>().toExtend<
    Pick<PushConsumerOptions, 'consumerGroup' | 'subscriptions'>
  >()
  expectTypeOf<TheirResult>().toExtend<HandlerResult>()
})

/** What a received message has here and there, under one name and of one type. */
type Shared = {
  readonly [K in 'messageId' | 'topic' | 'body' | 'keys' | 'bornHost' | 'tag' | 'messageGroup']: TheirView[K]
}

test('a listener for the official client, which reads what both messages have, is a listener for ours', () => {
  expectTypeOf<MessageView>().toExtend<{ [K in keyof Shared]-?: Shared[K] | undefined }>()
  expectTypeOf<MessageView['deliveryAttempt']>().toExtend<TheirView['deliveryAttempt']>()
  const theirs = {
    consume: async (message: { readonly [K in keyof Shared]-?: Shared[K] | undefined }): Promise<TheirResult> =>
      ({ name: message.keys?.includes('bad') ? 'FAILURE' : 'SUCCESS' }) as TheirResult,
  }
  expectTypeOf<typeof theirs>().toExtend<MessageListener>()
  expectTypeOf<MessageView['bornTimestamp']>().toEqualTypeOf<number>()
})

test('producers, transactions and simple consumers are called in the same way', () => {
  expectTypeOf<Producer['send']>().toBeCallableWith({ topic: 'a', body: Buffer.alloc(1) })
  expectTypeOf<(message: MessageOptions, transaction: Transaction) => Promise<SendReceipt>>().toBeCallableWith(
    { topic: 'a', body: Buffer.alloc(1) },
    {} as Transaction,
  )
  expectTypeOf<Producer['beginTransaction']>().returns.toEqualTypeOf<Transaction>()
  expectTypeOf<Transaction['commit']>().returns.toEqualTypeOf<Promise<void>>()
  expectTypeOf<Producer['recallMessage']>().parameters.toEqualTypeOf<[topic: string, recallHandle: string]>()
  expectTypeOf<Parameters<SimpleConsumer['receive']>[0]>().toEqualTypeOf<number | undefined>()
  expectTypeOf<MessageView['body']>().toEqualTypeOf<Buffer>()
  expectTypeOf<MessageView['messageId']>().toEqualTypeOf<string>()
  expectTypeOf<MessageView['keys']>().toEqualTypeOf<string[]>()
})
