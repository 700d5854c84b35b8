/** Every case there is, in the order they are measured. */
import type { Case } from '../support/case.ts'
import { W1 } from './w1-append.ts'
import { W2 } from './w2-disk.ts'
import { W3 } from './w3-read.ts'

export const CASES: readonly Case[] = [...W1, ...W2, ...W3]
