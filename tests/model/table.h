/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of the table in state.c for what the model has, in its names:
 * life.pml goes by them, and tests/unit/state_test.c looks whether state.c says
 * the same.
 *
 *  kind state       create start exec  pause resume kill checkpoint delete
 */
ROW(INIT, CREATING,   HV,   PR,   PR,   PR,   PR,   PR,   PR,   DING)
ROW(INIT, CREATED,    HV,   GO,   EXEC, PR,   PR,   KNEW, PR,   DNEW)
ROW(INIT, RUNNING,    HV,   PR,   EXEC, HALT, PR,   KILL, SAVE, PR)
ROW(INIT, PAUSED,     HV,   PR,   PR,   PR,   HALT, KHLT, SAVE, PR)
ROW(INIT, ENDING,     HV,   WT,   PR,   WT,   WT,   KEND, WT,   WT)
ROW(INIT, STOPPED,    HV,   PR,   PR,   PR,   PR,   NF,   PR,   DEL)
ROW(INIT, DELETED,    MAKE, NF,   NF,   NF,   NF,   NF,   NF,   NF)

ROW(EXEC, CREATED,    PR,   GOX,  PR,   PR,   PR,   KNEX, PR,   DELX)
ROW(EXEC, RUNNING,    PR,   PR,   PR,   PR,   PR,   KILL, PR,   PR)
ROW(EXEC, ENDING,     PR,   WT,   PR,   PR,   PR,   KEND, PR,   WT)
ROW(EXEC, STOPPED,    PR,   PR,   PR,   PR,   PR,   NF,   PR,   DELX)
ROW(EXEC, DELETED,    NF,   NF,   NF,   NF,   NF,   NF,   NF,   NF)
