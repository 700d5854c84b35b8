/**
 * Options and messages of the official `rocketmq-client-nodejs` fit ours, so that code moves by changing an import.
 * Held by the type checker: a line that does not compile is the failure.
 */
import type {
  FilterExpression,
  MessageOptions,
  PushConsumerOptions as TheirPushOptions,
  ConsumeResult as TheirResult,
  SimpleConsumerOptions as TheirSimpleOptions,
} from 'rocketmq-client-nodejs'
import { expect, expectTypeOf, test } from 'vitest'
import type {
  HandlerResult,
  Message,
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
