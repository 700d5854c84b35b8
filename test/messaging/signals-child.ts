/**
 * A program with a queue, to be ended by signals or by `close`. Says what it does in lines on standard output:
 * `handling`, `closing` and `handled`. A handler ends when a line comes on standard input, unless it is told to hang.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { nextTurn } from '../../src/base/turns.ts'
import { PocketMQ } from '../../src/messaging/pocket-mq.ts'

const [dir = '', task = ''] = process.argv.slice(2)
const say = (line: string): void => void writeSync(1, `${line}\n`)
const none = (): void => undefined
const logger = { debug: none, info: () => say('closing'), warn: none, error: none }

const mq = await PocketMQ.open(dir, { handleSignals: task !== 'close', logger })
await mq.producer().send({ topic: 'orders', body: 'x' })
const consumer = {
  consumerGroup: 'billing',
  subscriptions: { orders: '*' },
  messageListener: async () => {
    say('handling')
    if (task === 'hang') await new Promise(none)
    if (task === 'drain') await once(process.stdin, 'data')
    say('handled')
  },
}
await mq.pushConsumer(consumer)
if (task === 'close') {
  const simple = await mq.simpleConsumer({ consumerGroup: 'mail', subscriptions: { orders: '*' } })
  await simple.receive(1)
  await mq.producer({ linger: { ms: 5 } }).send({ topic: 'orders', body: 'later', delay: 60_000 })
  await mq.admin.waitUntilEmpty('billing')
  await mq.close()
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  // Standard input and output are every process's, and requests to the file system end by themselves.
  say(JSON.stringify(process.getActiveResourcesInfo().filter(name => !/^(TTY|Pipe|FSReq)/.test(name))))
}
