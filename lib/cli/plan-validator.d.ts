/** What scripts/plan-validator.mjs makes of schema/capsule-plan.schema.json. */

import type { ErrorObject } from 'ajv';
import type { CapsulePlan } from '../capsule/capsule-plan.ts';

export declare const validate: {
  (value: unknown): value is CapsulePlan;
  errors?: ErrorObject[] | null;
};
