/**
 * A process of the demo: sends flights with `durability: 'disk'`, several at once, and prints a line for each one that is
 * acknowledged. It is killed in the middle, so it says everything at once and nothing twice.
 *
 * Arguments: folder, number of the first flight, how many flights there are, how many may be unacknowledged at once.
 */
import { PocketMQ } from '../../../messaging/pocket-mq.ts'
import { Pace } from '../pace.ts'
import type { ProducedLine } from './demo-lines.ts'
import { say } from './demo-lines.ts'
import { FLIGHTS_QUEUES, FLIGHTS_TOPIC, loadFlights, messageOfFlight } from './flights.ts'

const [dir = '', first = '0', end = '0', inFlight = '1'] = process.argv.slice(2)
const flights = loadFlights()
await using mq = await PocketMQ.open(dir, { durability: 'disk', lockWaitMs: 10_000 })
if (Number(first) === 0) await mq.admin.createTopic({ topic: FLIGHTS_TOPIC, queues: FLIGHTS_QUEUES, type: 'FIFO' })
const producer = mq.producer({ group: 'flight-recorder' })
const pace = new Pace(Number(inFlight), undefined)

async function send(number: number): Promise<void> {
  const receipt = await producer.send(messageOfFlight(flights[number] as (typeof flights)[number], number))
  // Said before the next send may start: what was sent and not said is never more than `inFlight`.
  const { physicalOffset, durability } = receipt
  say<ProducedLine>({ flight: number, physicalOffset, durability })
}

for (let number = Number(first); number < Math.min(flights.length, Number(end)); number++) {
  await pace.turn()
  pace.start(send(number))
}
await pace.finished()
