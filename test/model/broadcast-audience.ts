/** Broadcasting instances and what each of them has seen: every message once, and after a restart only what it had not finished. */
import { expect } from 'vitest'
import type { MessageView } from '../../src/messaging/message-view.ts'
import type { PocketMQ } from '../../src/messaging/pocket-mq.ts'
import type { PushConsumer } from '../../src/messaging/push-consumer.ts'

const NAMES = ['north', 'south'] as const
const DAY_MS = 24 * 3_600_000

type Hand = { readonly body: string; readonly end: (isFine: boolean) => void }

type Instance = {
  readonly done: Set<string>
  /** A power cut took what was known of these. */
  readonly mayRepeat: Set<string>
  readonly hands: Map<string, Hand>
  consumer: PushConsumer | undefined
}

/** The instances of one broadcasting group. */
export class BroadcastAudience {
  /** What a check within a handler found. */
  readonly wrong: unknown[]
  deliveries = 0
  readonly #instances = new Map<string, Instance>()

  constructor(wrong: unknown[]) {
    this.wrong = wrong
  }

  async join(mq: PocketMQ, which: number): Promise<void> {
    const instanceName = NAMES[which % NAMES.length] as string
    const nobody = { done: new Set<string>(), mayRepeat: new Set<string>(), hands: new Map<string, Hand>() }
    const instance = this.#instances.get(instanceName) ?? { ...nobody, consumer: undefined }
    if (instance.consumer !== undefined) return
    this.#instances.set(instanceName, instance)
    let consumer: PushConsumer | undefined
    consumer = await mq.pushConsumer({
      consumerGroup: 'screens',
      subscriptions: { orders: '*' },
      mode: 'broadcasting',
      instanceName,
      concurrency: 3,
      consumeTimeout: DAY_MS,
      messageListener: message => {
        // A process that was killed says nothing more.
        if (consumer !== undefined && instance.consumer !== consumer) return new Promise(() => undefined)
        return this.#handle(instanceName, instance, message)
      },
    })
    instance.consumer = consumer
  }

  async leave(which: number): Promise<void> {
    const instance = this.#instances.get(NAMES[which % NAMES.length] as string)
    const consumer = instance?.consumer
    if (instance === undefined || consumer === undefined) return
    instance.consumer = undefined
    instance.hands.clear()
    await consumer.close({ drainMs: 0 })
  }

  /** One of the messages in hand ends; one that fails is dropped. */
  end(which: number, isFine: boolean): void {
    const hands = [...this.#instances.values()].flatMap(instance => [...instance.hands.values()])
    hands[which % Math.max(1, hands.length)]?.end(isFine)
  }

  /** Everybody is gone. */
  gone(isPowerCut: boolean): void {
    for (const instance of this.#instances.values()) {
      instance.consumer = undefined
      instance.hands.clear()
      if (!isPowerCut) continue
      for (const body of instance.done) instance.mayRepeat.add(body)
      instance.done.clear()
    }
  }

  /** Those who were ever there come back, and end whatever they have. Answers whether they had something, or had to come first. */
  async finish(mq: PocketMQ): Promise<boolean> {
    const isSomebodyAway = [...this.#instances.values()].some(instance => instance.consumer === undefined)
    for (const [i, name] of NAMES.entries()) if (this.#instances.has(name)) await this.join(mq, i)
    const hands = [...this.#instances.values()].flatMap(instance => [...instance.hands.values()])
    for (const hand of hands) hand.end(true)
    return hands.length > 0 || isSomebodyAway
  }

  /** Each instance has seen all of these. */
  expectSeen(bodies: readonly string[]): void {
    for (const [name, { done, mayRepeat }] of this.#instances) {
      expect(
        bodies.filter(body => !done.has(body) && !mayRepeat.has(body)),
        `never seen by ${name}`,
      ).toEqual([])
    }
  }

  #handle(name: string, instance: Instance, message: MessageView): Promise<void> {
    const body = message.body.toString()
    this.deliveries++
    if (instance.done.has(body)) this.wrong.push(new Error(`${body} came to ${name} again`))
    if (instance.hands.has(body)) this.wrong.push(new Error(`${body} is in the hands of ${name} twice`))
    return new Promise((resolve, reject) => {
      const end = (isFine: boolean): void => {
        instance.hands.delete(body)
        instance.done.add(body)
        if (isFine) resolve()
        else reject(new Error('the model says so'))
      }
      instance.hands.set(body, { body, end })
    })
  }
}
