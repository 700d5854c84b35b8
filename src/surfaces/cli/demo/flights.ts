/** The demo's input: 10,000 real flights of 2001 (US Bureau of Transportation Statistics), each of them a message. */
import { readFileSync } from 'node:fs'
import { asError, PocketMQError } from '../../../base/errors.ts'

/** One flight as the file has it. */
export type Flight = {
  readonly date: string
  /** Minutes; negative is early. */
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

/** Where all flights go. */
export const FLIGHTS_TOPIC = 'flights'
export const FLIGHTS_QUEUES = 8
/** The property that numbers a flight from 0: two flights may be alike in everything else. */
export const NUMBER_PROPERTY = 'flight'
/** A flight is late from here on. */
const LATE_MINUTES = 15
const FILE = new URL('../../../../data/flights-10k.json', import.meta.url)

/** All flights, in the order of their departure. @throws IO where the file is not there */
export function loadFlights(): readonly Flight[] {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Flight[]
  } catch (error) {
    throw new PocketMQError('IO', `the demo's flights cannot be read: ${asError(error).message}`, {
      hint: 'Run it from an installed package or a clone: data/flights-10k.json comes with both.',
      cause: error,
    })
  }
}

/** A flight as the message it becomes: origin = message group, so that each airport's flights stay in order. */
export function messageOfFlight(flight: Flight, number: number): FlightMessage {
  return {
    topic: FLIGHTS_TOPIC,
    body: JSON.stringify(flight),
    tag: flight.delay > LATE_MINUTES ? 'late' : 'on-time',
    keys: [`${flight.origin}-${flight.destination}`],
    messageGroup: flight.origin,
    properties: { [NUMBER_PROPERTY]: String(number) },
  }
}

/** What {@link messageOfFlight} makes. */
export type FlightMessage = {
  readonly topic: string
  readonly body: string
  readonly tag: string
  readonly keys: readonly string[]
  readonly messageGroup: string
  readonly properties: Readonly<Record<string, string>>
}
