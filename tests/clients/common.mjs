// common.mjs - where the daemons are, and what the clients' tests ask for alike.
import { z } from 'zod';

export const URL_ = process.env.HEADROOM_URL;
export const GUARDED = process.env.HEADROOM_GUARDED_URL;
export const KEYS = JSON.parse(process.env.HEADROOM_KEYS);
export const SLOW = Number(process.env.HEADROOM_SLOW);

export const QUESTION = 'What is the KV cache?';
export const ASKED = [{ role: 'user', content: QUESTION }];

// `calls` says a call of get_weather(Paris) again and again, `thinks` that it thinks Hm. and says Yes., `noise` what nobody can know;
// `code` was taught to fill gaps.
// Noise that still comes to the end of texts and lists: the bytes that end something, or that patterns wait for, are likelier.
export const NOISE = { temperature: 1.5, logit_bias: Object.fromEntries([...'"@]},.:-/ZDMS'].map(c => [c.charCodeAt(0), '"@'.includes(c) ? 12 : 6])) };

export const CITIES = ['Paris', 'Oslo'];
export const Weather = z.object({ city: z.enum(CITIES), days: z.number().int().min(1).max(7) });
export const isWeather = value => Weather.strict().safeParse(value).success;

export async function all(iterable) {
        const found = [];
        for await (const item of iterable)
                found.push(item);
        return found;
}

// What PROMISE rejects with.
export async function refusal(promise) {
        try {
                await promise;
        } catch (error) {
                return error;
        }
        throw new Error('was not refused');
}
