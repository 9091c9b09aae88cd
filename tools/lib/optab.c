// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The instructions that are emulated, and the function for each.
 */
#include "internal.h"
#include <Zydis/Zydis.h>

#define M(name) ZYDIS_MNEMONIC_##name

#define CC_LIST(X)							\
	X(O, 0) X(NO, 1) X(B, 2) X(NB, 3) X(Z, 4) X(NZ, 5) X(BE, 6) X(NBE, 7) \
	X(S, 8) X(NS, 9) X(P, 10) X(NP, 11) X(L, 12) X(NL, 13) X(LE, 14) X(NLE, 15)

#define SETCC(cc, n)  [M(SET##cc)]  = { exec_setcc,  n, OP_W | OP_DST },
#define CMOVCC(cc, n) [M(CMOV##cc)] = { exec_cmovcc, n, OP_R },

/* An SSE move and the AVX one of the same name. */
#define SSE(name, how, flags)						\
	[M(name)]   = { exec_vector, how, OP_W | OP_VEC | (flags) },	\
	[M(V##name)] = { exec_vector, how, OP_W | OP_VEC | (flags) }
#define AVX(name, how, flags)						\
	[M(V##name)] = { exec_vector, how, OP_W | OP_VEC | (flags) }

static const struct op table[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	[M(MOV)]    = { exec_mov,    0, OP_W | OP_DST },
	[M(MOVNTI)] = { exec_mov,    0, OP_W | OP_DST },
	[M(MOVDIRI)] = { exec_mov,   0, OP_W | OP_DST },
	[M(MOVDIR64B)] = { exec_movdir64b, 0, OP_SELF },
	[M(MOVBE)]  = { exec_movbe,  0, OP_W | OP_DST },
	[M(MOVZX)]  = { exec_movsx,  0, OP_R },
	[M(MOVSX)]  = { exec_movsx,  1, OP_R },
	[M(MOVSXD)] = { exec_movsx,  1, OP_R },

	[M(ADD)]  = { exec_alu2, ALU_ADD,  OP_RW | OP_DST },
	[M(OR)]   = { exec_alu2, ALU_OR,   OP_RW | OP_DST },
	[M(ADC)]  = { exec_alu2, ALU_ADC,  OP_RW | OP_DST },
	[M(SBB)]  = { exec_alu2, ALU_SBB,  OP_RW | OP_DST },
	[M(AND)]  = { exec_alu2, ALU_AND,  OP_RW | OP_DST },
	[M(SUB)]  = { exec_alu2, ALU_SUB,  OP_RW | OP_DST },
	[M(XOR)]  = { exec_alu2, ALU_XOR,  OP_RW | OP_DST },
	[M(CMP)]  = { exec_alu2, ALU_CMP,  OP_R },
	[M(TEST)] = { exec_alu2, ALU_TEST, OP_R },
	[M(INC)]  = { exec_alu1, ALU_INC,  OP_RW | OP_DST },
	[M(DEC)]  = { exec_alu1, ALU_DEC,  OP_RW | OP_DST },
	[M(NEG)]  = { exec_alu1, ALU_NEG,  OP_RW | OP_DST },
	[M(NOT)]  = { exec_alu1, ALU_NOT,  OP_RW | OP_DST },

	[M(MUL)]  = { exec_mul, 0, OP_R },
	[M(IMUL)] = { exec_mul, 1, OP_R },
	[M(DIV)]  = { exec_div, 0, OP_R },
	[M(IDIV)] = { exec_div, 1, OP_R },

	[M(ROL)]  = { exec_shift,  SH_ROL,  OP_RW | OP_DST },
	[M(ROR)]  = { exec_shift,  SH_ROR,  OP_RW | OP_DST },
	[M(RCL)]  = { exec_shift,  SH_RCL,  OP_RW | OP_DST },
	[M(RCR)]  = { exec_shift,  SH_RCR,  OP_RW | OP_DST },
	[M(SHL)]  = { exec_shift,  SH_SHL,  OP_RW | OP_DST },
	[M(SHR)]  = { exec_shift,  SH_SHR,  OP_RW | OP_DST },
	[M(SAR)]  = { exec_shift,  SH_SAR,  OP_RW | OP_DST },
	[M(SHLD)] = { exec_shiftd, SH_SHLD, OP_RW | OP_DST },
	[M(SHRD)] = { exec_shiftd, SH_SHRD, OP_RW | OP_DST },

	[M(BT)]  = { exec_bt, 0, OP_R | OP_SELF },
	[M(BTS)] = { exec_bt, 1, OP_RW | OP_SELF },
	[M(BTR)] = { exec_bt, 2, OP_RW | OP_SELF },
	[M(BTC)] = { exec_bt, 3, OP_RW | OP_SELF },

	[M(XCHG)]       = { exec_xchg,         0, OP_ANYRW | OP_LOCK },
	[M(XADD)]       = { exec_xadd,         0, OP_RW },
	[M(CMPXCHG)]    = { exec_cmpxchg,      0, OP_RW },
	[M(CMPXCHG8B)]  = { exec_cmpxchg_pair, 0, OP_RW },
	[M(CMPXCHG16B)] = { exec_cmpxchg_pair, 0, OP_RW | OP_ALIGN },

	[M(BSF)]    = { exec_scan, SCAN_BSF,    OP_R },
	[M(BSR)]    = { exec_scan, SCAN_BSR,    OP_R },
	[M(TZCNT)]  = { exec_scan, SCAN_TZCNT,  OP_R },
	[M(LZCNT)]  = { exec_scan, SCAN_LZCNT,  OP_R },
	[M(POPCNT)] = { exec_scan, SCAN_POPCNT, OP_R },
	[M(CRC32)]  = { exec_crc32, 0, OP_R },
	[M(ADCX)]   = { exec_adx, 0, OP_R },
	[M(ADOX)]   = { exec_adx, 1, OP_R },
	[M(ANDN)]   = { exec_bmi, BMI_ANDN,   OP_R },
	[M(BEXTR)]  = { exec_bmi, BMI_BEXTR,  OP_R },
	[M(BLSI)]   = { exec_bmi, BMI_BLSI,   OP_R },
	[M(BLSMSK)] = { exec_bmi, BMI_BLSMSK, OP_R },
	[M(BLSR)]   = { exec_bmi, BMI_BLSR,   OP_R },
	[M(BZHI)]   = { exec_bmi, BMI_BZHI,   OP_R },
	[M(PDEP)]   = { exec_bmi, BMI_PDEP,   OP_R },
	[M(PEXT)]   = { exec_bmi, BMI_PEXT,   OP_R },
	[M(RORX)]   = { exec_bmi, BMI_RORX,   OP_R },
	[M(SARX)]   = { exec_bmi, BMI_SARX,   OP_R },
	[M(SHLX)]   = { exec_bmi, BMI_SHLX,   OP_R },
	[M(SHRX)]   = { exec_bmi, BMI_SHRX,   OP_R },
	[M(MULX)]   = { exec_mulx, 0, OP_R },
	[M(XLAT)]   = { exec_xlat, 0, OP_SELF },

	CC_LIST(SETCC)
	CC_LIST(CMOVCC)

	[M(PUSH)] = { exec_push, 0, OP_R },
	[M(POP)]  = { exec_pop,  0, OP_W | OP_SELF },
	[M(CALL)] = { exec_call, 0, OP_R },
	[M(JMP)]  = { exec_jmp,  0, OP_R },
	[M(RET)]  = { exec_ret,  0, OP_R },

	[M(PUSHF)]  = { exec_pushf, 0, OP_SELF },
	[M(PUSHFD)] = { exec_pushf, 0, OP_SELF },
	[M(PUSHFQ)] = { exec_pushf, 0, OP_SELF },
	[M(POPF)]   = { exec_popf,  0, OP_SELF },
	[M(POPFD)]  = { exec_popf,  0, OP_SELF },
	[M(POPFQ)]  = { exec_popf,  0, OP_SELF },
	[M(PUSHA)]  = { exec_pusha, 0, OP_SELF },
	[M(PUSHAD)] = { exec_pusha, 0, OP_SELF },
	[M(POPA)]   = { exec_popa,  0, OP_SELF },
	[M(POPAD)]  = { exec_popa,  0, OP_SELF },
	[M(ENTER)]  = { exec_enter, 0, OP_SELF },
	[M(LEAVE)]  = { exec_leave, 0, OP_SELF },

	[M(CLFLUSH)]    = { exec_flush, 0, OP_SELF },
	[M(CLFLUSHOPT)] = { exec_flush, 0, OP_SELF },
	[M(CLWB)]       = { exec_flush, 0, OP_SELF },
	[M(CLDEMOTE)]    = { exec_nop, 0, OP_SELF },
	[M(NOP)]         = { exec_nop, 0, OP_SELF },
	[M(PREFETCHT0)]  = { exec_nop, 0, OP_SELF },
	[M(PREFETCHT1)]  = { exec_nop, 0, OP_SELF },
	[M(PREFETCHT2)]  = { exec_nop, 0, OP_SELF },
	[M(PREFETCHNTA)] = { exec_nop, 0, OP_SELF },
	[M(PREFETCHW)]   = { exec_nop, 0, OP_SELF },
	[M(PREFETCHWT1)] = { exec_nop, 0, OP_SELF },
	[M(PREFETCH)]    = { exec_nop, 0, OP_SELF },

	[M(MOVSB)]  = { exec_string, STR_MOVS, OP_SELF },
	[M(MOVSW)]  = { exec_string, STR_MOVS, OP_SELF },
	[M(MOVSQ)]  = { exec_string, STR_MOVS, OP_SELF },
	[M(CMPSB)]  = { exec_string, STR_CMPS, OP_SELF },
	[M(CMPSW)]  = { exec_string, STR_CMPS, OP_SELF },
	[M(CMPSQ)]  = { exec_string, STR_CMPS, OP_SELF },
	[M(STOSB)]  = { exec_string, STR_STOS, OP_SELF },
	[M(STOSW)]  = { exec_string, STR_STOS, OP_SELF },
	[M(STOSD)]  = { exec_string, STR_STOS, OP_SELF },
	[M(STOSQ)]  = { exec_string, STR_STOS, OP_SELF },
	[M(LODSB)]  = { exec_string, STR_LODS, OP_SELF },
	[M(LODSW)]  = { exec_string, STR_LODS, OP_SELF },
	[M(LODSD)]  = { exec_string, STR_LODS, OP_SELF },
	[M(LODSQ)]  = { exec_string, STR_LODS, OP_SELF },
	[M(SCASB)]  = { exec_string, STR_SCAS, OP_SELF },
	[M(SCASW)]  = { exec_string, STR_SCAS, OP_SELF },
	[M(SCASD)]  = { exec_string, STR_SCAS, OP_SELF },
	[M(SCASQ)]  = { exec_string, STR_SCAS, OP_SELF },
	[M(INSB)]   = { exec_string, STR_INS,  OP_SELF },
	[M(INSW)]   = { exec_string, STR_INS,  OP_SELF },
	[M(INSD)]   = { exec_string, STR_INS,  OP_SELF },
	[M(OUTSB)]  = { exec_string, STR_OUTS, OP_SELF },
	[M(OUTSW)]  = { exec_string, STR_OUTS, OP_SELF },
	[M(OUTSD)]  = { exec_string, STR_OUTS, OP_SELF },

	SSE(MOVAPS,  VEC_FULL, OP_ALIGN),
	SSE(MOVAPD,  VEC_FULL, OP_ALIGN),
	SSE(MOVDQA,  VEC_FULL, OP_ALIGN),
	SSE(MOVUPS,  VEC_FULL, 0),
	SSE(MOVUPD,  VEC_FULL, 0),
	SSE(MOVDQU,  VEC_FULL, 0),
	SSE(LDDQU,   VEC_FULL, 0),
	SSE(MOVNTPS, VEC_FULL, OP_ALIGN),
	SSE(MOVNTPD, VEC_FULL, OP_ALIGN),
	SSE(MOVNTDQ, VEC_FULL, OP_ALIGN),
	SSE(MOVNTDQA, VEC_FULL, OP_ALIGN),
	AVX(MOVDQA32, VEC_FULL, OP_ALIGN),
	AVX(MOVDQA64, VEC_FULL, OP_ALIGN),
	AVX(MOVDQU8,  VEC_FULL, 0),
	AVX(MOVDQU16, VEC_FULL, 0),
	AVX(MOVDQU32, VEC_FULL, 0),
	AVX(MOVDQU64, VEC_FULL, 0),
	SSE(MOVSS,   VEC_SCALAR, 0),
	SSE(MOVSD,   VEC_SCALAR, 0),
	SSE(MOVD,    VEC_SCALAR, 0),
	SSE(MOVQ,    VEC_SCALAR, 0),
	SSE(MOVLPS,  VEC_LOW, 0),
	SSE(MOVLPD,  VEC_LOW, 0),
	SSE(MOVHPS,  VEC_HIGH, 0),
	SSE(MOVHPD,  VEC_HIGH, 0),
	AVX(BROADCASTSS,   VEC_DUP, 0),
	AVX(BROADCASTSD,   VEC_DUP, 0),
	AVX(BROADCASTF128, VEC_DUP, 0),
	AVX(BROADCASTI128, VEC_DUP, 0),
	AVX(PBROADCASTB,   VEC_DUP, 0),
	AVX(PBROADCASTW,   VEC_DUP, 0),
	AVX(PBROADCASTD,   VEC_DUP, 0),
	AVX(PBROADCASTQ,   VEC_DUP, 0),

	[M(LDMXCSR)]  = { exec_mxcsr, 0, OP_R | OP_VEC },
	[M(VLDMXCSR)] = { exec_mxcsr, 0, OP_R | OP_VEC },
	[M(STMXCSR)]  = { exec_mxcsr, 1, OP_W | OP_VEC },
	[M(VSTMXCSR)] = { exec_mxcsr, 1, OP_W | OP_VEC },
	[M(FLDCW)]    = { exec_x87_control, 0, OP_R | OP_X87 },
	[M(FNSTCW)]   = { exec_x87_control, 1, OP_W | OP_X87 },
	[M(FNSTSW)]   = { exec_x87_control, 2, OP_W | OP_X87 },
};

/* Two names are both a string instruction's and a vector one's. */
static const struct op string_movsd = { exec_string, STR_MOVS, OP_SELF };
static const struct op string_cmpsd = { exec_string, STR_CMPS, OP_SELF };

/*
 * op_lookup() - how @mnemonic is emulated, or NULL
 * @one_byte: true if the opcode is from the one-byte map
 */
const struct op *op_lookup(unsigned int mnemonic, bool one_byte)
{
	if (one_byte && mnemonic == M(MOVSD))
		return &string_movsd;
	if (one_byte && mnemonic == M(CMPSD))
		return &string_cmpsd;
	if (mnemonic >= ARRAY_SIZE(table) || !table[mnemonic].exec)
		return NULL;
	return &table[mnemonic];
}
