/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The instructions that have a stub: rows of stubs.S, and nothing else.
 *
 * Columns: opcode map, mandatory prefix, W, L, register in VEX.vvvv (0: none),
 * bits of the immediate that count (-1: no immediate), ModRM.reg if it is part
 * of the opcode (-1: it is not), opcodes. W is WIG if it is ignored, and L is
 * LIG; else a stub is made for each L that is named.
 *
 * lib.unit decodes each stub and looks at its operands.
 */


/*
 * unpcklps, unpckhps, cvtpi2ps, ucomiss, comiss, sqrtps, rsqrtps, rcpps, andps, andnps, orps,
 * xorps, addps, mulps, cvtps2pd, cvtdq2ps, subps, minps, divps, maxps
 */
sse		M0F, 0x00, WIG, L0, 0, -1, -1, "0x14, 0x15, 0x2a, 0x2e, 0x2f, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56,	\
		0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f"
/* cmpps */
sse		M0F, 0x00, WIG, L0, 0, 3, -1, "0xc2"
/* shufps */
sse		M0F, 0x00, WIG, L0, 0, 8, -1, "0xc6"
/*
 * unpcklpd, unpckhpd, cvtpi2pd, ucomisd, comisd, sqrtpd, andpd, andnpd, orpd, xorpd, addpd,
 * mulpd, cvtpd2ps, cvtps2dq, subpd, minpd, divpd, maxpd, punpcklbw, punpcklwd, punpckldq,
 * packsswb, pcmpgtb, pcmpgtw, pcmpgtd, packuswb, punpckhbw, punpckhwd, punpckhdq, packssdw,
 * punpcklqdq, punpckhqdq, pcmpeqb, pcmpeqw, pcmpeqd, haddpd, hsubpd, addsubpd, psrlw, psrld,
 * psrlq, paddq, pmullw, psubusb, psubusw, pminub, pand, paddusb, paddusw, pmaxub, pandn,
 * pavgb, psraw, psrad, pavgw, pmulhuw, pmulhw, cvttpd2dq, psubsb, psubsw, pminsw, por, paddsb,
 * paddsw, pmaxsw, pxor, psllw, pslld, psllq, pmuludq, pmaddwd, psadbw, psubb, psubw, psubd,
 * psubq, paddb, paddw, paddd
 */
sse		M0F, 0x66, WIG, L0, 0, -1, -1, "0x14, 0x15, 0x2a, 0x2e, 0x2f, 0x51, 0x54, 0x55, 0x56, 0x57, 0x58,	\
		0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63,	\
		0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x74,	\
		0x75, 0x76, 0x7c, 0x7d, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd8,	\
		0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3,	\
		0xe4, 0xe5, 0xe6, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef,	\
		0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc,	\
		0xfd, 0xfe"
/* cmppd, pinsrw */
sse		M0F, 0x66, WIG, L0, 0, 3, -1, "0xc2, 0xc4"
/* pshufd, shufpd */
sse		M0F, 0x66, WIG, L0, 0, 8, -1, "0x70, 0xc6"
/* cvtsi2ss, cvttss2si, cvtss2si */
sse		M0F, 0xf3, W0, L0, 0, -1, -1, "0x2a, 0x2c, 0x2d"
/* cvtsi2ss, cvttss2si, cvtss2si */
sse		M0F, 0xf3, W1, L0, 0, -1, -1, "0x2a, 0x2c, 0x2d"
/*
 * movsldup, movshdup, sqrtss, rsqrtss, rcpss, addss, mulss, cvtss2sd, cvttps2dq, subss, minss,
 * divss, maxss, cvtdq2pd
 */
sse		M0F, 0xf3, WIG, L0, 0, -1, -1, "0x12, 0x16, 0x51, 0x52, 0x53, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d,	\
		0x5e, 0x5f, 0xe6"
/* cmpss */
sse		M0F, 0xf3, WIG, L0, 0, 3, -1, "0xc2"
/* pshufhw */
sse		M0F, 0xf3, WIG, L0, 0, 8, -1, "0x70"
/* cvtsi2sd, cvttsd2si, cvtsd2si */
sse		M0F, 0xf2, W0, L0, 0, -1, -1, "0x2a, 0x2c, 0x2d"
/* cvtsi2sd, cvttsd2si, cvtsd2si */
sse		M0F, 0xf2, W1, L0, 0, -1, -1, "0x2a, 0x2c, 0x2d"
/*
 * movddup, sqrtsd, addsd, mulsd, cvtsd2ss, subsd, minsd, divsd, maxsd, haddps, hsubps,
 * addsubps, cvtpd2dq
 */
sse		M0F, 0xf2, WIG, L0, 0, -1, -1, "0x12, 0x51, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f, 0x7c, 0x7d,	\
		0xd0, 0xe6"
/* cmpsd */
sse		M0F, 0xf2, WIG, L0, 0, 3, -1, "0xc2"
/* pshuflw */
sse		M0F, 0xf2, WIG, L0, 0, 8, -1, "0x70"
/* sha1nexte, sha1msg1, sha1msg2, sha256rnds2, sha256msg1, sha256msg2 */
sse		M0F38, 0x00, WIG, L0, 0, -1, -1, "0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd"
/*
 * pshufb, phaddw, phaddd, phaddsw, pmaddubsw, phsubw, phsubd, phsubsw, psignb, psignw, psignd,
 * pmulhrsw, pblendvb, blendvps, blendvpd, ptest, pabsb, pabsw, pabsd, pmovsxbw, pmovsxbd,
 * pmovsxbq, pmovsxwd, pmovsxwq, pmovsxdq, pmuldq, pcmpeqq, packusdw, pmovzxbw, pmovzxbd,
 * pmovzxbq, pmovzxwd, pmovzxwq, pmovzxdq, pcmpgtq, pminsb, pminsd, pminuw, pminud, pmaxsb,
 * pmaxsd, pmaxuw, pmaxud, pmulld, phminposuw, gf2p8mulb, aesimc, aesenc, aesenclast, aesdec,
 * aesdeclast
 */
sse		M0F38, 0x66, WIG, L0, 0, -1, -1, "0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,	\
		0x0b, 0x10, 0x14, 0x15, 0x17, 0x1c, 0x1d, 0x1e, 0x20, 0x21, 0x22,	\
		0x23, 0x24, 0x25, 0x28, 0x29, 0x2b, 0x30, 0x31, 0x32, 0x33, 0x34,	\
		0x35, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x40,	\
		0x41, 0xcf, 0xdb, 0xdc, 0xdd, 0xde, 0xdf"
/* sha1rnds4 */
sse		M0F3A, 0x00, WIG, L0, 0, 2, -1, "0xcc"
/* pextrq, pinsrq */
sse		M0F3A, 0x66, W1, L0, 0, 1, -1, "0x16, 0x22"
/* pextrd, pinsrd */
sse		M0F3A, 0x66, W0, L0, 0, 2, -1, "0x16, 0x22"
/* blendpd, extractps */
sse		M0F3A, 0x66, WIG, L0, 0, 2, -1, "0x0d, 0x17"
/* pextrw, mpsadbw */
sse		M0F3A, 0x66, WIG, L0, 0, 3, -1, "0x15, 0x42"
/* roundps, roundpd, roundss, roundsd, blendps, pextrb, pinsrb */
sse		M0F3A, 0x66, WIG, L0, 0, 4, -1, "0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x14, 0x20"
/* pclmulqdq */
sse		M0F3A, 0x66, WIG, L0, 0, 5, -1, "0x44"
/* insertps */
sse		M0F3A, 0x66, WIG, L0, 0, 6, -1, "0x21"
/* pcmpestrm, pcmpestri */
sse		M0F3A, 0x66, W0, L0, 0, 7, -1, "0x60, 0x61"
/* pcmpestrm, pcmpestri */
sse		M0F3A, 0x66, W1, L0, 0, 7, -1, "0x60, 0x61"
/* pcmpistrm, pcmpistri */
sse		M0F3A, 0x66, WIG, L0, 0, 7, -1, "0x62, 0x63"
/* pblendw, palignr, dpps, dppd, gf2p8affineqb, gf2p8affineinvqb, aeskeygenassist */
sse		M0F3A, 0x66, WIG, L0, 0, 8, -1, "0x0e, 0x0f, 0x40, 0x41, 0xce, 0xcf, 0xdf"


/* movd, movd */
mmx		M0F, 0x00, W0, L0, 0, -1, -1, "0x6e, 0x7e"
/* movq, movq */
mmx		M0F, 0x00, W1, L0, 0, -1, -1, "0x6e, 0x7e"
/*
 * cvttps2pi, cvtps2pi, punpcklbw, punpcklwd, punpckldq, packsswb, pcmpgtb, pcmpgtw, pcmpgtd,
 * packuswb, punpckhbw, punpckhwd, punpckhdq, packssdw, movq, pcmpeqb, pcmpeqw, pcmpeqd, movq,
 * psrlw, psrld, psrlq, paddq, pmullw, psubusb, psubusw, pminub, pand, paddusb, paddusw,
 * pmaxub, pandn, pavgb, psraw, psrad, pavgw, pmulhuw, pmulhw, movntq, psubsb, psubsw, pminsw,
 * por, paddsb, paddsw, pmaxsw, pxor, psllw, pslld, psllq, pmuludq, pmaddwd, psadbw, psubb,
 * psubw, psubd, psubq, paddb, paddw, paddd
 */
mmx		M0F, 0x00, WIG, L0, 0, -1, -1, "0x2c, 0x2d, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,	\
		0x69, 0x6a, 0x6b, 0x6f, 0x74, 0x75, 0x76, 0x7f, 0xd1, 0xd2, 0xd3,	\
		0xd4, 0xd5, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0,	\
		0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe7, 0xe8, 0xe9, 0xea, 0xeb, 0xec,	\
		0xed, 0xee, 0xef, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9,	\
		0xfa, 0xfb, 0xfc, 0xfd, 0xfe"
/* pinsrw */
mmx		M0F, 0x00, WIG, L0, 0, 3, -1, "0xc4"
/* pshufw */
mmx		M0F, 0x00, WIG, L0, 0, 8, -1, "0x70"
/* cvttpd2pi, cvtpd2pi */
mmx		M0F, 0x66, WIG, L0, 0, -1, -1, "0x2c, 0x2d"
/*
 * pshufb, phaddw, phaddd, phaddsw, pmaddubsw, phsubw, phsubd, phsubsw, psignb, psignw, psignd,
 * pmulhrsw, pabsb, pabsw, pabsd
 */
mmx		M0F38, 0x00, WIG, L0, 0, -1, -1, "0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,	\
		0x0b, 0x1c, 0x1d, 0x1e"
/* palignr */
mmx		M0F3A, 0x00, WIG, L0, 0, 8, -1, "0x0f"


/* fadd, fld, fiadd, fild, fadd, fld, fiadd, fild */
x87		ONE, 0x00, W0, L0, 0, -1, 0, "0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf"
/* fmul, fimul, fisttp, fmul, fisttp, fimul, fisttp */
x87		ONE, 0x00, W0, L0, 0, -1, 1, "0xd8, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf"
/* fcom, fst, ficom, fist, fcom, fst, ficom, fist */
x87		ONE, 0x00, W0, L0, 0, -1, 2, "0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf"
/* fcomp, fstp, ficomp, fistp, fcomp, fstp, ficomp, fistp */
x87		ONE, 0x00, W0, L0, 0, -1, 3, "0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf"
/* fsub, fisub, fsub, fisub, fbld */
x87		ONE, 0x00, W0, L0, 0, -1, 4, "0xd8, 0xda, 0xdc, 0xde, 0xdf"
/* fsubr, fisubr, fld, fsubr, fisubr, fild */
x87		ONE, 0x00, W0, L0, 0, -1, 5, "0xd8, 0xda, 0xdb, 0xdc, 0xde, 0xdf"
/* fdiv, fidiv, fdiv, fidiv, fbstp */
x87		ONE, 0x00, W0, L0, 0, -1, 6, "0xd8, 0xda, 0xdc, 0xde, 0xdf"
/* fdivr, fidivr, fstp, fdivr, fidivr, fistp */
x87		ONE, 0x00, W0, L0, 0, -1, 7, "0xd8, 0xda, 0xdb, 0xdc, 0xde, 0xdf"


/* kmovw */
vex		M0F, 0x00, W0, L0, 0, -1, -1, "0x90, 0x91"
/* kmovq, kmovq */
vex		M0F, 0x00, W1, L0, 0, -1, -1, "0x90, 0x91"
/*
 * vunpcklps, vunpckhps, vandps, vandnps, vorps, vxorps, vaddps, vmulps, vsubps, vminps,
 * vdivps, vmaxps
 */
vex		M0F, 0x00, WIG, L01, 2, -1, -1, "0x14, 0x15, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5c, 0x5d, 0x5e,	\
		0x5f"
/* vucomiss, vcomiss */
vex		M0F, 0x00, WIG, LIG, 0, -1, -1, "0x2e, 0x2f"
/* vsqrtps, vrsqrtps, vrcpps, vcvtps2pd, vcvtdq2ps */
vex		M0F, 0x00, WIG, L01, 0, -1, -1, "0x51, 0x52, 0x53, 0x5a, 0x5b"
/* vcmpps */
vex		M0F, 0x00, WIG, L01, 2, 5, -1, "0xc2"
/* vshufps */
vex		M0F, 0x00, WIG, L01, 2, 8, -1, "0xc6"
/* kmovb, kmovb */
vex		M0F, 0x66, W0, L0, 0, -1, -1, "0x90, 0x91"
/* kmovd, kmovd */
vex		M0F, 0x66, W1, L0, 0, -1, -1, "0x90, 0x91"
/*
 * vunpcklpd, vunpckhpd, vandpd, vandnpd, vorpd, vxorpd, vaddpd, vmulpd, vsubpd, vminpd,
 * vdivpd, vmaxpd, vpunpcklbw, vpunpcklwd, vpunpckldq, vpacksswb, vpcmpgtb, vpcmpgtw, vpcmpgtd,
 * vpackuswb, vpunpckhbw, vpunpckhwd, vpunpckhdq, vpackssdw, vpunpcklqdq, vpunpckhqdq,
 * vpcmpeqb, vpcmpeqw, vpcmpeqd, vhaddpd, vhsubpd, vaddsubpd, vpsrlw, vpsrld, vpsrlq, vpaddq,
 * vpmullw, vpsubusb, vpsubusw, vpminub, vpand, vpaddusb, vpaddusw, vpmaxub, vpandn, vpavgb,
 * vpsraw, vpsrad, vpavgw, vpmulhuw, vpmulhw, vpsubsb, vpsubsw, vpminsw, vpor, vpaddsb,
 * vpaddsw, vpmaxsw, vpxor, vpsllw, vpslld, vpsllq, vpmuludq, vpmaddwd, vpsadbw, vpsubb,
 * vpsubw, vpsubd, vpsubq, vpaddb, vpaddw, vpaddd
 */
vex		M0F, 0x66, WIG, L01, 2, -1, -1, "0x14, 0x15, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5c, 0x5d, 0x5e,	\
		0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,	\
		0x6a, 0x6b, 0x6c, 0x6d, 0x74, 0x75, 0x76, 0x7c, 0x7d, 0xd0, 0xd1,	\
		0xd2, 0xd3, 0xd4, 0xd5, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde,	\
		0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9, 0xea, 0xeb,	\
		0xec, 0xed, 0xee, 0xef, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf8,	\
		0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe"
/* vucomisd, vcomisd */
vex		M0F, 0x66, WIG, LIG, 0, -1, -1, "0x2e, 0x2f"
/* vsqrtpd, vcvtpd2ps, vcvtps2dq, vcvttpd2dq */
vex		M0F, 0x66, WIG, L01, 0, -1, -1, "0x51, 0x5a, 0x5b, 0xe6"
/* vpinsrw */
vex		M0F, 0x66, WIG, L0, 2, 3, -1, "0xc4"
/* vcmppd */
vex		M0F, 0x66, WIG, L01, 2, 5, -1, "0xc2"
/* vpshufd */
vex		M0F, 0x66, WIG, L01, 0, 8, -1, "0x70"
/* vshufpd */
vex		M0F, 0x66, WIG, L01, 2, 8, -1, "0xc6"
/* vcvtsi2ss */
vex		M0F, 0xf3, W0, LIG, 2, -1, -1, "0x2a"
/* vcvttss2si, vcvtss2si */
vex		M0F, 0xf3, W0, LIG, 0, -1, -1, "0x2c, 0x2d"
/* vcvtsi2ss */
vex		M0F, 0xf3, W1, LIG, 2, -1, -1, "0x2a"
/* vcvttss2si, vcvtss2si */
vex		M0F, 0xf3, W1, LIG, 0, -1, -1, "0x2c, 0x2d"
/* vmovsldup, vmovshdup, vcvttps2dq, vcvtdq2pd */
vex		M0F, 0xf3, WIG, L01, 0, -1, -1, "0x12, 0x16, 0x5b, 0xe6"
/* vsqrtss, vrsqrtss, vrcpss, vaddss, vmulss, vcvtss2sd, vsubss, vminss, vdivss, vmaxss */
vex		M0F, 0xf3, WIG, LIG, 2, -1, -1, "0x51, 0x52, 0x53, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f"
/* vcmpss */
vex		M0F, 0xf3, WIG, LIG, 2, 5, -1, "0xc2"
/* vpshufhw */
vex		M0F, 0xf3, WIG, L01, 0, 8, -1, "0x70"
/* vcvtsi2sd */
vex		M0F, 0xf2, W0, LIG, 2, -1, -1, "0x2a"
/* vcvttsd2si, vcvtsd2si */
vex		M0F, 0xf2, W0, LIG, 0, -1, -1, "0x2c, 0x2d"
/* vcvtsi2sd */
vex		M0F, 0xf2, W1, LIG, 2, -1, -1, "0x2a"
/* vcvttsd2si, vcvtsd2si */
vex		M0F, 0xf2, W1, LIG, 0, -1, -1, "0x2c, 0x2d"
/* vmovddup, vcvtpd2dq */
vex		M0F, 0xf2, WIG, L01, 0, -1, -1, "0x12, 0xe6"
/* vsqrtsd, vaddsd, vmulsd, vcvtsd2ss, vsubsd, vminsd, vdivsd, vmaxsd */
vex		M0F, 0xf2, WIG, LIG, 2, -1, -1, "0x51, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f"
/* vhaddps, vhsubps, vaddsubps */
vex		M0F, 0xf2, WIG, L01, 2, -1, -1, "0x7c, 0x7d, 0xd0"
/* vcmpsd */
vex		M0F, 0xf2, WIG, LIG, 2, 5, -1, "0xc2"
/* vpshuflw */
vex		M0F, 0xf2, WIG, L01, 0, 8, -1, "0x70"
/*
 * vpermilps, vpermilpd, vpsrlvd, vpsravd, vpsllvd, vpdpbusd, vpdpbusds, vpdpwssd, vpdpwssds,
 * vfmaddsub132ps, vfmsubadd132ps, vfmadd132ps, vfmsub132ps, vfnmadd132ps, vfnmsub132ps,
 * vfmaddsub213ps, vfmsubadd213ps, vfmadd213ps, vfmsub213ps, vfnmadd213ps, vfnmsub213ps,
 * vfmaddsub231ps, vfmsubadd231ps, vfmadd231ps, vfmsub231ps, vfnmadd231ps, vfnmsub231ps,
 * vgf2p8mulb
 */
vex		M0F38, 0x66, W0, L01, 2, -1, -1, "0x0c, 0x0d, 0x45, 0x46, 0x47, 0x50, 0x51, 0x52, 0x53, 0x96, 0x97,	\
		0x98, 0x9a, 0x9c, 0x9e, 0xa6, 0xa7, 0xa8, 0xaa, 0xac, 0xae, 0xb6,	\
		0xb7, 0xb8, 0xba, 0xbc, 0xbe, 0xcf"
/* vtestps, vtestpd, vcvtph2ps */
vex		M0F38, 0x66, W0, L01, 0, -1, -1, "0x0e, 0x0f, 0x13"
/*
 * vfmadd132ss, vfmsub132ss, vfnmadd132ss, vfnmsub132ss, vfmadd213ss, vfmsub213ss,
 * vfnmadd213ss, vfnmsub213ss, vfmadd231ss, vfmsub231ss, vfnmadd231ss, vfnmsub231ss
 */
vex		M0F38, 0x66, W0, LIG, 2, -1, -1, "0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad, 0xaf, 0xb9, 0xbb, 0xbd,	\
		0xbf"
/* vpermps, vpermd */
vex		M0F38, 0x66, W0, L1, 2, -1, -1, "0x16, 0x36"
/*
 * vpsrlvq, vpsllvq, vfmaddsub132pd, vfmsubadd132pd, vfmadd132pd, vfmsub132pd, vfnmadd132pd,
 * vfnmsub132pd, vfmaddsub213pd, vfmsubadd213pd, vfmadd213pd, vfmsub213pd, vfnmadd213pd,
 * vfnmsub213pd, vfmaddsub231pd, vfmsubadd231pd, vfmadd231pd, vfmsub231pd, vfnmadd231pd,
 * vfnmsub231pd
 */
vex		M0F38, 0x66, W1, L01, 2, -1, -1, "0x45, 0x47, 0x96, 0x97, 0x98, 0x9a, 0x9c, 0x9e, 0xa6, 0xa7, 0xa8,	\
		0xaa, 0xac, 0xae, 0xb6, 0xb7, 0xb8, 0xba, 0xbc, 0xbe"
/*
 * vfmadd132sd, vfmsub132sd, vfnmadd132sd, vfnmsub132sd, vfmadd213sd, vfmsub213sd,
 * vfnmadd213sd, vfnmsub213sd, vfmadd231sd, vfmsub231sd, vfnmadd231sd, vfnmsub231sd
 */
vex		M0F38, 0x66, W1, LIG, 2, -1, -1, "0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad, 0xaf, 0xb9, 0xbb, 0xbd,	\
		0xbf"
/*
 * vpshufb, vphaddw, vphaddd, vphaddsw, vpmaddubsw, vphsubw, vphsubd, vphsubsw, vpsignb,
 * vpsignw, vpsignd, vpmulhrsw, vpmuldq, vpcmpeqq, vpackusdw, vpcmpgtq, vpminsb, vpminsd,
 * vpminuw, vpminud, vpmaxsb, vpmaxsd, vpmaxuw, vpmaxud, vpmulld, vaesenc, vaesenclast,
 * vaesdec, vaesdeclast
 */
vex		M0F38, 0x66, WIG, L01, 2, -1, -1, "0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a,	\
		0x0b, 0x28, 0x29, 0x2b, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d,	\
		0x3e, 0x3f, 0x40, 0xdc, 0xdd, 0xde, 0xdf"
/*
 * vptest, vpabsb, vpabsw, vpabsd, vpmovsxbw, vpmovsxbd, vpmovsxbq, vpmovsxwd, vpmovsxwq,
 * vpmovsxdq, vpmovzxbw, vpmovzxbd, vpmovzxbq, vpmovzxwd, vpmovzxwq, vpmovzxdq
 */
vex		M0F38, 0x66, WIG, L01, 0, -1, -1, "0x17, 0x1c, 0x1d, 0x1e, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x30,	\
		0x31, 0x32, 0x33, 0x34, 0x35"
/* vphminposuw, vaesimc */
vex		M0F38, 0x66, WIG, L0, 0, -1, -1, "0x41, 0xdb"
/* vinsertf128, vinserti128 */
vex		M0F3A, 0x66, W0, L1, 2, 1, -1, "0x18, 0x38"
/* vextractf128, vextracti128 */
vex		M0F3A, 0x66, W0, L1, 0, 1, -1, "0x19, 0x39"
/* vpextrq */
vex		M0F3A, 0x66, W1, L0, 0, 1, -1, "0x16"
/* vpinsrq */
vex		M0F3A, 0x66, W1, L0, 2, 1, -1, "0x22"
/* vpextrd */
vex		M0F3A, 0x66, W0, L0, 0, 2, -1, "0x16"
/* vpinsrd */
vex		M0F3A, 0x66, W0, L0, 2, 2, -1, "0x22"
/* vextractps */
vex		M0F3A, 0x66, WIG, L0, 0, 2, -1, "0x17"
/* vcvtps2ph */
vex		M0F3A, 0x66, W0, L01, 0, 3, -1, "0x1d"
/* vpextrw */
vex		M0F3A, 0x66, WIG, L0, 0, 3, -1, "0x15"
/* vroundps, vroundpd */
vex		M0F3A, 0x66, WIG, L01, 0, 4, -1, "0x08, 0x09"
/* vroundss, vroundsd */
vex		M0F3A, 0x66, WIG, LIG, 2, 4, -1, "0x0a, 0x0b"
/* vblendpd */
vex		M0F3A, 0x66, WIG, L01, 2, 4, -1, "0x0d"
/* vpextrb */
vex		M0F3A, 0x66, WIG, L0, 0, 4, -1, "0x14"
/* vpinsrb */
vex		M0F3A, 0x66, WIG, L0, 2, 4, -1, "0x20"
/* vpclmulqdq */
vex		M0F3A, 0x66, WIG, L01, 2, 5, -1, "0x44"
/* vinsertps */
vex		M0F3A, 0x66, WIG, L0, 2, 6, -1, "0x21"
/* vmpsadbw */
vex		M0F3A, 0x66, WIG, L01, 2, 6, -1, "0x42"
/* vpcmpestrm, vpcmpestri */
vex		M0F3A, 0x66, W0, L0, 0, 7, -1, "0x60, 0x61"
/* vpcmpestrm, vpcmpestri */
vex		M0F3A, 0x66, W1, L0, 0, 7, -1, "0x60, 0x61"
/* vpcmpistrm, vpcmpistri */
vex		M0F3A, 0x66, WIG, L0, 0, 7, -1, "0x62, 0x63"
/* vpblendd */
vex		M0F3A, 0x66, W0, L01, 2, 8, -1, "0x02"
/* vpermilps, vpermilpd */
vex		M0F3A, 0x66, W0, L01, 0, 8, -1, "0x04, 0x05"
/* vperm2f128, vperm2i128 */
vex		M0F3A, 0x66, W0, L1, 2, 8, -1, "0x06, 0x46"
/* vgf2p8affineqb, vgf2p8affineinvqb */
vex		M0F3A, 0x66, W1, L01, 2, 8, -1, "0xce, 0xcf"
/* vpermq, vpermpd */
vex		M0F3A, 0x66, W1, L1, 0, 8, -1, "0x00, 0x01"
/* vblendps, vpblendw, vpalignr, vdpps */
vex		M0F3A, 0x66, WIG, L01, 2, 8, -1, "0x0c, 0x0e, 0x0f, 0x40"
/* vdppd */
vex		M0F3A, 0x66, WIG, L0, 2, 8, -1, "0x41"
/* vaeskeygenassist */
vex		M0F3A, 0x66, WIG, L0, 0, 8, -1, "0xdf"


/* vblendvps, vblendvpd, vpblendvb */
vex_is4		M0F3A, 0x66, W0, L01, 2, -1, -1, "0x4a, 0x4b, 0x4c"


/*
 * vunpcklps, vunpckhps, vandps, vandnps, vorps, vxorps, vaddps, vmulps, vsubps, vminps,
 * vdivps, vmaxps
 */
evex		M0F, 0x00, W0, L012, 2, -1, -1, "0x14, 0x15, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5c, 0x5d, 0x5e,	\
		0x5f"
/* vsqrtps, vcvtps2pd, vcvtdq2ps, vcvttps2udq, vcvtps2udq */
evex		M0F, 0x00, W0, L012, 0, -1, -1, "0x51, 0x5a, 0x5b, 0x78, 0x79"
/* vcvtqq2ps, vcvttpd2udq, vcvtpd2udq */
evex		M0F, 0x00, W1, L012, 0, -1, -1, "0x5b, 0x78, 0x79"
/* vcmpps */
evex		M0F, 0x00, W0, L012, 2, 5, -1, "0xc2"
/* vshufps */
evex		M0F, 0x00, W0, L012, 2, 8, -1, "0xc6"
/* vcvtps2dq, vcvttps2uqq, vcvtps2uqq, vcvttps2qq, vcvtps2qq */
evex		M0F, 0x66, W0, L012, 0, -1, -1, "0x5b, 0x78, 0x79, 0x7a, 0x7b"
/*
 * vpunpckldq, vpcmpgtd, vpunpckhdq, vpackssdw, vpcmpeqd, vpsrld, vpandd, vpandnd, vpsrad,
 * vpord, vpxord, vpslld, vpsubd, vpaddd
 */
evex		M0F, 0x66, W0, L012, 2, -1, -1, "0x62, 0x66, 0x6a, 0x6b, 0x76, 0xd2, 0xdb, 0xdf, 0xe2, 0xeb, 0xef,	\
		0xf2, 0xfa, 0xfe"
/* vcvttpd2uqq, vcvtpd2uqq, vcvttpd2qq, vcvtpd2qq, vsqrtpd, vcvtpd2ps, vcvttpd2dq */
evex		M0F, 0x66, W1, L012, 0, -1, -1, "0x78, 0x79, 0x7a, 0x7b, 0x51, 0x5a, 0xe6"
/*
 * vpandq, vpandnq, vpsraq, vporq, vpxorq, vunpcklpd, vunpckhpd, vandpd, vandnpd, vorpd,
 * vxorpd, vaddpd, vmulpd, vsubpd, vminpd, vdivpd, vmaxpd, vpunpcklqdq, vpunpckhqdq, vpsrlq,
 * vpaddq, vpsllq, vpmuludq, vpsubq
 */
evex		M0F, 0x66, W1, L012, 2, -1, -1, "0xdb, 0xdf, 0xe2, 0xeb, 0xef, 0x14, 0x15, 0x54, 0x55, 0x56, 0x57,	\
		0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f, 0x6c, 0x6d, 0xd3, 0xd4, 0xf3,	\
		0xf4, 0xfb"
/*
 * vpunpcklbw, vpunpcklwd, vpacksswb, vpcmpgtb, vpcmpgtw, vpackuswb, vpunpckhbw, vpunpckhwd,
 * vpcmpeqb, vpcmpeqw, vpsrlw, vpmullw, vpsubusb, vpsubusw, vpminub, vpaddusb, vpaddusw,
 * vpmaxub, vpavgb, vpsraw, vpavgw, vpmulhuw, vpmulhw, vpsubsb, vpsubsw, vpminsw, vpaddsb,
 * vpaddsw, vpmaxsw, vpsllw, vpmaddwd, vpsubb, vpsubw, vpaddb, vpaddw
 */
evex		M0F, 0x66, WIG, L012, 2, -1, -1, "0x60, 0x61, 0x63, 0x64, 0x65, 0x67, 0x68, 0x69, 0x74, 0x75, 0xd1,	\
		0xd5, 0xd8, 0xd9, 0xda, 0xdc, 0xdd, 0xde, 0xe0, 0xe1, 0xe3, 0xe4,	\
		0xe5, 0xe8, 0xe9, 0xea, 0xec, 0xed, 0xee, 0xf1, 0xf5, 0xf8, 0xf9,	\
		0xfc, 0xfd"
/* vcmppd */
evex		M0F, 0x66, W1, L012, 2, 5, -1, "0xc2"
/* vpshufd */
evex		M0F, 0x66, W0, L012, 0, 8, -1, "0x70"
/* vshufpd */
evex		M0F, 0x66, W1, L012, 2, 8, -1, "0xc6"
/* vprord */
evex		M0F, 0x66, W0, L012, 2, 6, 0, "0x72"
/* vprorq */
evex		M0F, 0x66, W1, L012, 2, 6, 0, "0x72"
/* vprold */
evex		M0F, 0x66, W0, L012, 2, 6, 1, "0x72"
/* vprolq */
evex		M0F, 0x66, W1, L012, 2, 6, 1, "0x72"
/* vpsrld */
evex		M0F, 0x66, W0, L012, 2, 8, 2, "0x72"
/* vpsrlq */
evex		M0F, 0x66, W1, L012, 2, 8, 2, "0x73"
/* vpsrlw */
evex		M0F, 0x66, WIG, L012, 2, 8, 2, "0x71"
/* vpsrad */
evex		M0F, 0x66, W0, L012, 2, 8, 4, "0x72"
/* vpsraq */
evex		M0F, 0x66, W1, L012, 2, 8, 4, "0x72"
/* vpsraw */
evex		M0F, 0x66, WIG, L012, 2, 8, 4, "0x71"
/* vpslld */
evex		M0F, 0x66, W0, L012, 2, 8, 6, "0x72"
/* vpsllq */
evex		M0F, 0x66, W1, L012, 2, 8, 6, "0x73"
/* vpsllw */
evex		M0F, 0x66, WIG, L012, 2, 8, 6, "0x71"
/* vmovsldup, vmovshdup, vcvttps2dq, vcvtudq2pd, vcvtdq2pd */
evex		M0F, 0xf3, W0, L012, 0, -1, -1, "0x12, 0x16, 0x5b, 0x7a, 0xe6"
/* vsqrtss, vaddss, vmulss, vcvtss2sd, vsubss, vminss, vdivss, vmaxss */
evex		M0F, 0xf3, W0, LIG, 2, -1, -1, "0x51, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f"
/* vcvtuqq2pd, vcvtqq2pd */
evex		M0F, 0xf3, W1, L012, 0, -1, -1, "0x7a, 0xe6"
/* vcmpss */
evex		M0F, 0xf3, W0, LIG, 2, 5, -1, "0xc2"
/* vpshufhw */
evex		M0F, 0xf3, WIG, L012, 0, 8, -1, "0x70"
/* vcvtudq2ps */
evex		M0F, 0xf2, W0, L012, 0, -1, -1, "0x7a"
/* vcvtuqq2ps, vmovddup, vcvtpd2dq */
evex		M0F, 0xf2, W1, L012, 0, -1, -1, "0x7a, 0x12, 0xe6"
/* vsqrtsd, vaddsd, vmulsd, vcvtsd2ss, vsubsd, vminsd, vdivsd, vmaxsd */
evex		M0F, 0xf2, W1, LIG, 2, -1, -1, "0x51, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f"
/* vcmpsd */
evex		M0F, 0xf2, W1, LIG, 2, 5, -1, "0xc2"
/* vpshuflw */
evex		M0F, 0xf2, WIG, L012, 0, 8, -1, "0x70"
/*
 * vpermilps, vprorvd, vprolvd, vptestmb, vptestmd, vpackusdw, vscalefps, vpminsd, vpminud,
 * vpmaxsd, vpmaxud, vpmulld, vpsrlvd, vpsravd, vpsllvd, vpdpbusd, vpdpbusds, vpdpwssd,
 * vpdpwssds, vpblendmd, vblendmps, vpblendmb, vpshldvd, vpshrdvd, vpermi2b, vpermi2d,
 * vpermi2ps, vpermt2b, vpermt2d, vpermt2ps, vpermb, vpshufbitqmb, vfmaddsub132ps,
 * vfmsubadd132ps, vfmadd132ps, vfmsub132ps, vfnmadd132ps, vfnmsub132ps, vfmaddsub213ps,
 * vfmsubadd213ps, vfmadd213ps, vfmsub213ps, vfnmadd213ps, vfnmsub213ps, vfmaddsub231ps,
 * vfmsubadd231ps, vfmadd231ps, vfmsub231ps, vfnmadd231ps, vfnmsub231ps, vgf2p8mulb
 */
evex		M0F38, 0x66, W0, L012, 2, -1, -1, "0x0c, 0x14, 0x15, 0x26, 0x27, 0x2b, 0x2c, 0x39, 0x3b, 0x3d, 0x3f,	\
		0x40, 0x45, 0x46, 0x47, 0x50, 0x51, 0x52, 0x53, 0x64, 0x65, 0x66,	\
		0x71, 0x73, 0x75, 0x76, 0x77, 0x7d, 0x7e, 0x7f, 0x8d, 0x8f, 0x96,	\
		0x97, 0x98, 0x9a, 0x9c, 0x9e, 0xa6, 0xa7, 0xa8, 0xaa, 0xac, 0xae,	\
		0xb6, 0xb7, 0xb8, 0xba, 0xbc, 0xbe, 0xcf"
/*
 * vcvtph2ps, vpabsd, vpmovsxdq, vpmovzxdq, vgetexpps, vplzcntd, vrcp14ps, vrsqrt14ps,
 * vpopcntb, vpopcntd, vbroadcasti32x2, vpconflictd
 */
evex		M0F38, 0x66, W0, L012, 0, -1, -1, "0x13, 0x1e, 0x25, 0x35, 0x42, 0x44, 0x4c, 0x4e, 0x54, 0x55, 0x59,	\
		0xc4"
/*
 * vscalefss, vgetexpss, vrcp14ss, vrsqrt14ss, vfmadd132ss, vfmsub132ss, vfnmadd132ss,
 * vfnmsub132ss, vfmadd213ss, vfmsub213ss, vfnmadd213ss, vfnmsub213ss, vfmadd231ss,
 * vfmsub231ss, vfnmadd231ss, vfnmsub231ss
 */
evex		M0F38, 0x66, W0, LIG, 2, -1, -1, "0x2d, 0x43, 0x4d, 0x4f, 0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad,	\
		0xaf, 0xb9, 0xbb, 0xbd, 0xbf"
/* vpermps, vpermd */
evex		M0F38, 0x66, W0, L12, 2, -1, -1, "0x16, 0x36"
/* vbroadcastf32x2, vbroadcastf32x4, vbroadcasti32x4 */
evex		M0F38, 0x66, W0, L12, 0, -1, -1, "0x19, 0x1a, 0x5a"
/* vbroadcastf32x8, vbroadcasti32x8 */
evex		M0F38, 0x66, W0, L2, 0, -1, -1, "0x1b, 0x5b"
/*
 * vprorvq, vprolvq, vptestmw, vptestmq, vscalefpd, vpminsq, vpminuq, vpmaxsq, vpmaxuq,
 * vpmullq, vpsrlvq, vpsravq, vpsllvq, vpblendmq, vblendmpd, vpblendmw, vpshldvq, vpshrdvq,
 * vpermi2w, vpermi2q, vpermi2pd, vpermt2w, vpermt2q, vpermt2pd, vpermw, vfmaddsub132pd,
 * vfmsubadd132pd, vfmadd132pd, vfmsub132pd, vfnmadd132pd, vfnmsub132pd, vfmaddsub213pd,
 * vfmsubadd213pd, vfmadd213pd, vfmsub213pd, vfnmadd213pd, vfnmsub213pd, vfmaddsub231pd,
 * vfmsubadd231pd, vfmadd231pd, vfmsub231pd, vfnmadd231pd, vfnmsub231pd, vpermilpd, vpsrlvw,
 * vpsravw, vpsllvw, vpmuldq, vpcmpeqq, vpcmpgtq, vpshldvw, vpshrdvw, vpmultishiftqb,
 * vpmadd52luq, vpmadd52huq
 */
evex		M0F38, 0x66, W1, L012, 2, -1, -1, "0x14, 0x15, 0x26, 0x27, 0x2c, 0x39, 0x3b, 0x3d, 0x3f, 0x40, 0x45,	\
		0x46, 0x47, 0x64, 0x65, 0x66, 0x71, 0x73, 0x75, 0x76, 0x77, 0x7d,	\
		0x7e, 0x7f, 0x8d, 0x96, 0x97, 0x98, 0x9a, 0x9c, 0x9e, 0xa6, 0xa7,	\
		0xa8, 0xaa, 0xac, 0xae, 0xb6, 0xb7, 0xb8, 0xba, 0xbc, 0xbe, 0x0d,	\
		0x10, 0x11, 0x12, 0x28, 0x29, 0x37, 0x70, 0x72, 0x83, 0xb4, 0xb5"
/*
 * vscalefsd, vgetexpsd, vrcp14sd, vrsqrt14sd, vfmadd132sd, vfmsub132sd, vfnmadd132sd,
 * vfnmsub132sd, vfmadd213sd, vfmsub213sd, vfnmadd213sd, vfnmsub213sd, vfmadd231sd,
 * vfmsub231sd, vfnmadd231sd, vfnmsub231sd
 */
evex		M0F38, 0x66, W1, LIG, 2, -1, -1, "0x2d, 0x43, 0x4d, 0x4f, 0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad,	\
		0xaf, 0xb9, 0xbb, 0xbd, 0xbf"
/* vgetexppd, vplzcntq, vrcp14pd, vrsqrt14pd, vpopcntw, vpopcntq, vpconflictq, vpabsq */
evex		M0F38, 0x66, W1, L012, 0, -1, -1, "0x42, 0x44, 0x4c, 0x4e, 0x54, 0x55, 0xc4, 0x1f"
/* vpermpd, vpermq */
evex		M0F38, 0x66, W1, L12, 2, -1, -1, "0x16, 0x36"
/* vbroadcastf64x2, vbroadcasti64x2 */
evex		M0F38, 0x66, W1, L12, 0, -1, -1, "0x1a, 0x5a"
/* vbroadcastf64x4, vbroadcasti64x4 */
evex		M0F38, 0x66, W1, L2, 0, -1, -1, "0x1b, 0x5b"
/* vpshufb, vpmaddubsw, vpmulhrsw, vpminsb, vpminuw, vpmaxsb, vpmaxuw */
evex		M0F38, 0x66, WIG, L012, 2, -1, -1, "0x00, 0x04, 0x0b, 0x38, 0x3a, 0x3c, 0x3e"
/*
 * vpabsb, vpabsw, vpmovsxbw, vpmovsxbd, vpmovsxbq, vpmovsxwd, vpmovsxwq, vpmovzxbw, vpmovzxbd,
 * vpmovzxbq, vpmovzxwd, vpmovzxwq
 */
evex		M0F38, 0x66, WIG, L012, 0, -1, -1, "0x1c, 0x1d, 0x20, 0x21, 0x22, 0x23, 0x24, 0x30, 0x31, 0x32, 0x33,	\
		0x34"
/*
 * vpmovuswb, vpmovusdb, vpmovusqb, vpmovusdw, vpmovusqw, vpmovusqd, vpmovswb, vpmovsdb,
 * vpmovsqb, vpmovsdw, vpmovsqw, vpmovsqd, vpmovwb, vpmovdb, vpmovqb, vpmovdw, vpmovqw,
 * vpmovqd, vcvtneps2bf16
 */
evex		M0F38, 0xf3, W0, L012, 0, -1, -1, "0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x20, 0x21, 0x22, 0x23, 0x24,	\
		0x25, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x72"
/* vptestnmb, vptestnmd, vdpbf16ps */
evex		M0F38, 0xf3, W0, L012, 2, -1, -1, "0x26, 0x27, 0x52"
/* vptestnmw, vptestnmq */
evex		M0F38, 0xf3, W1, L012, 2, -1, -1, "0x26, 0x27"
/* vcvtne2ps2bf16 */
evex		M0F38, 0xf2, W0, L012, 2, -1, -1, "0x72"
/* vgetmantph */
evex		M0F3A, 0x00, W0, L012, 0, 4, -1, "0x26"
/* vgetmantsh */
evex		M0F3A, 0x00, W0, LIG, 2, 4, -1, "0x27"
/* vcmpph */
evex		M0F3A, 0x00, W0, L012, 2, 5, -1, "0xc2"
/* vrndscaleph, vreduceph, vfpclassph */
evex		M0F3A, 0x00, W0, L012, 0, 8, -1, "0x08, 0x56, 0x66"
/* vrndscalesh, vreducesh */
evex		M0F3A, 0x00, W0, LIG, 2, 8, -1, "0x0a, 0x57"
/* vfpclasssh */
evex		M0F3A, 0x00, W0, LIG, 0, 8, -1, "0x67"
/* vinsertf32x4, vinserti32x4 */
evex		M0F3A, 0x66, W0, L12, 2, 2, -1, "0x18, 0x38"
/* vextractf32x4, vextracti32x4 */
evex		M0F3A, 0x66, W0, L12, 0, 2, -1, "0x19, 0x39"
/* vinsertf32x8, vinserti32x8 */
evex		M0F3A, 0x66, W0, L2, 2, 2, -1, "0x1a, 0x3a"
/* vextractf32x8, vextracti32x8 */
evex		M0F3A, 0x66, W0, L2, 0, 2, -1, "0x1b, 0x3b"
/* vinsertf64x2, vinserti64x2 */
evex		M0F3A, 0x66, W1, L12, 2, 2, -1, "0x18, 0x38"
/* vextractf64x2, vextracti64x2 */
evex		M0F3A, 0x66, W1, L12, 0, 2, -1, "0x19, 0x39"
/* vinsertf64x4, vinserti64x4 */
evex		M0F3A, 0x66, W1, L2, 2, 2, -1, "0x1a, 0x3a"
/* vextractf64x4, vextracti64x4 */
evex		M0F3A, 0x66, W1, L2, 0, 2, -1, "0x1b, 0x3b"
/* vcvtps2ph */
evex		M0F3A, 0x66, W0, L012, 0, 3, -1, "0x1d"
/* vpcmpud, vpcmpd, vpcmpub, vpcmpb */
evex		M0F3A, 0x66, W0, L012, 2, 3, -1, "0x1e, 0x1f, 0x3e, 0x3f"
/* valignq, vpcmpuq, vpcmpq, vpcmpuw, vpcmpw */
evex		M0F3A, 0x66, W1, L012, 2, 3, -1, "0x03, 0x1e, 0x1f, 0x3e, 0x3f"
/* valignd, vrangeps */
evex		M0F3A, 0x66, W0, L012, 2, 4, -1, "0x03, 0x50"
/* vgetmantps */
evex		M0F3A, 0x66, W0, L012, 0, 4, -1, "0x26"
/* vgetmantss, vrangess */
evex		M0F3A, 0x66, W0, LIG, 2, 4, -1, "0x27, 0x51"
/* vgetmantpd */
evex		M0F3A, 0x66, W1, L012, 0, 4, -1, "0x26"
/* vgetmantsd, vrangesd */
evex		M0F3A, 0x66, W1, LIG, 2, 4, -1, "0x27, 0x51"
/* vrangepd */
evex		M0F3A, 0x66, W1, L012, 2, 4, -1, "0x50"
/* vpshldd, vpshrdd */
evex		M0F3A, 0x66, W0, L012, 2, 6, -1, "0x71, 0x73"
/* vpshldq, vpshrdq, vpshldw, vpshrdw */
evex		M0F3A, 0x66, W1, L012, 2, 6, -1, "0x71, 0x73, 0x70, 0x72"
/* vpermilps, vrndscaleps, vreduceps, vfpclassps */
evex		M0F3A, 0x66, W0, L012, 0, 8, -1, "0x04, 0x08, 0x56, 0x66"
/* vrndscaless, vfixupimmss, vreducess */
evex		M0F3A, 0x66, W0, LIG, 2, 8, -1, "0x0a, 0x55, 0x57"
/* vpternlogd, vdbpsadbw, vfixupimmps */
evex		M0F3A, 0x66, W0, L012, 2, 8, -1, "0x25, 0x42, 0x54"
/* vfpclassss */
evex		M0F3A, 0x66, W0, LIG, 0, 8, -1, "0x67"
/* vshuff32x4, vshufi32x4 */
evex		M0F3A, 0x66, W0, L12, 2, 8, -1, "0x23, 0x43"
/* vpternlogq, vfixupimmpd, vgf2p8affineqb, vgf2p8affineinvqb */
evex		M0F3A, 0x66, W1, L012, 2, 8, -1, "0x25, 0x54, 0xce, 0xcf"
/* vfixupimmsd, vreducesd, vrndscalesd */
evex		M0F3A, 0x66, W1, LIG, 2, 8, -1, "0x55, 0x57, 0x0b"
/* vreducepd, vfpclasspd, vpermilpd, vrndscalepd */
evex		M0F3A, 0x66, W1, L012, 0, 8, -1, "0x56, 0x66, 0x05, 0x09"
/* vfpclasssd */
evex		M0F3A, 0x66, W1, LIG, 0, 8, -1, "0x67"
/* vshuff64x2, vshufi64x2 */
evex		M0F3A, 0x66, W1, L12, 2, 8, -1, "0x23, 0x43"
/* vpermq, vpermpd */
evex		M0F3A, 0x66, W1, L12, 0, 8, -1, "0x00, 0x01"
/* vpalignr */
evex		M0F3A, 0x66, WIG, L012, 2, 8, -1, "0x0f"
/* vcmpsh */
evex		M0F3A, 0xf3, W0, LIG, 2, 5, -1, "0xc2"
/* vcvtss2sh */
evex		MAP5, 0x00, W0, LIG, 2, -1, -1, "0x1d"
/* vsqrtph, vcvtph2pd, vcvtdq2ph, vcvttph2udq, vcvtph2udq, vcvttph2uw, vcvtph2uw */
evex		MAP5, 0x00, W0, L012, 0, -1, -1, "0x51, 0x5a, 0x5b, 0x78, 0x79, 0x7c, 0x7d"
/* vaddph, vmulph, vsubph, vminph, vdivph, vmaxph */
evex		MAP5, 0x00, W0, L012, 2, -1, -1, "0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f"
/* vcvtqq2ph */
evex		MAP5, 0x00, W1, L012, 0, -1, -1, "0x5b"
/* vcvtps2phx, vcvtph2dq, vcvttph2uqq, vcvtph2uqq, vcvttph2qq, vcvtph2qq, vcvttph2w, vcvtph2w */
evex		MAP5, 0x66, W0, L012, 0, -1, -1, "0x1d, 0x5b, 0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x7d"
/* vcvtpd2ph */
evex		MAP5, 0x66, W1, L012, 0, -1, -1, "0x5a"
/* vmovsh, vmovsh */
evex		MAP5, 0xf3, W0, LIG, 0, -1, -1, "0x10, 0x11"
/* vsqrtsh, vaddsh, vmulsh, vcvtsh2sd, vsubsh, vminsh, vdivsh, vmaxsh */
evex		MAP5, 0xf3, W0, LIG, 2, -1, -1, "0x51, 0x58, 0x59, 0x5a, 0x5c, 0x5d, 0x5e, 0x5f"
/* vcvttph2dq, vcvtw2ph */
evex		MAP5, 0xf3, W0, L012, 0, -1, -1, "0x5b, 0x7d"
/* vcvtudq2ph, vcvtuw2ph */
evex		MAP5, 0xf2, W0, L012, 0, -1, -1, "0x7a, 0x7d"
/* vcvtuqq2ph */
evex		MAP5, 0xf2, W1, L012, 0, -1, -1, "0x7a"
/* vcvtsd2sh */
evex		MAP5, 0xf2, W1, LIG, 2, -1, -1, "0x5a"
/* vcvtsh2ss */
evex		MAP6, 0x00, W0, LIG, 2, -1, -1, "0x13"
/* vcvtph2psx, vgetexpph, vrcpph, vrsqrtph */
evex		MAP6, 0x66, W0, L012, 0, -1, -1, "0x13, 0x42, 0x4c, 0x4e"
/*
 * vscalefph, vfmaddsub132ph, vfmsubadd132ph, vfmadd132ph, vfmsub132ph, vfnmadd132ph,
 * vfnmsub132ph, vfmaddsub213ph, vfmsubadd213ph, vfmadd213ph, vfmsub213ph, vfnmadd213ph,
 * vfnmsub213ph, vfmaddsub231ph, vfmsubadd231ph, vfmadd231ph, vfmsub231ph, vfnmadd231ph,
 * vfnmsub231ph
 */
evex		MAP6, 0x66, W0, L012, 2, -1, -1, "0x2c, 0x96, 0x97, 0x98, 0x9a, 0x9c, 0x9e, 0xa6, 0xa7, 0xa8, 0xaa,	\
		0xac, 0xae, 0xb6, 0xb7, 0xb8, 0xba, 0xbc, 0xbe"
/*
 * vscalefsh, vgetexpsh, vrcpsh, vrsqrtsh, vfmadd132sh, vfmsub132sh, vfnmadd132sh,
 * vfnmsub132sh, vfmadd213sh, vfmsub213sh, vfnmadd213sh, vfnmsub213sh, vfmadd231sh,
 * vfmsub231sh, vfnmadd231sh, vfnmsub231sh
 */
evex		MAP6, 0x66, W0, LIG, 2, -1, -1, "0x2d, 0x43, 0x4d, 0x4f, 0x99, 0x9b, 0x9d, 0x9f, 0xa9, 0xab, 0xad,	\
		0xaf, 0xb9, 0xbb, 0xbd, 0xbf"
/* vfmaddcph, vfmulcph */
evex		MAP6, 0xf3, W0, L012, 2, -1, -1, "0x56, 0xd6"
/* vfmaddcsh, vfmulcsh */
evex		MAP6, 0xf3, W0, LIG, 2, -1, -1, "0x57, 0xd7"
/* vfcmaddcph, vfcmulcph */
evex		MAP6, 0xf2, W0, L012, 2, -1, -1, "0x56, 0xd6"
/* vfcmaddcsh, vfcmulcsh */
evex		MAP6, 0xf2, W0, LIG, 2, -1, -1, "0x57, 0xd7"


/* vucomiss, vcomiss */
evex_nomask	M0F, 0x00, W0, LIG, 0, -1, -1, "0x2e, 0x2f"
/* vucomisd, vcomisd */
evex_nomask	M0F, 0x66, W1, LIG, 0, -1, -1, "0x2e, 0x2f"
/* vpsadbw */
evex_nomask	M0F, 0x66, WIG, L012, 2, -1, -1, "0xf6"
/* vpinsrw */
evex_nomask	M0F, 0x66, WIG, L0, 2, 3, -1, "0xc4"
/* vpsrldq */
evex_nomask	M0F, 0x66, WIG, L012, 2, 8, 3, "0x73"
/* vpslldq */
evex_nomask	M0F, 0x66, WIG, L012, 2, 8, 7, "0x73"
/* vcvtsi2ss, vcvtusi2ss */
evex_nomask	M0F, 0xf3, W0, LIG, 2, -1, -1, "0x2a, 0x7b"
/* vcvttss2si, vcvtss2si, vcvttss2usi, vcvtss2usi */
evex_nomask	M0F, 0xf3, W0, LIG, 0, -1, -1, "0x2c, 0x2d, 0x78, 0x79"
/* vcvtsi2ss, vcvtusi2ss */
evex_nomask	M0F, 0xf3, W1, LIG, 2, -1, -1, "0x2a, 0x7b"
/* vcvttss2si, vcvtss2si, vcvttss2usi, vcvtss2usi */
evex_nomask	M0F, 0xf3, W1, LIG, 0, -1, -1, "0x2c, 0x2d, 0x78, 0x79"
/* vcvtsi2sd, vcvtusi2sd */
evex_nomask	M0F, 0xf2, W0, LIG, 2, -1, -1, "0x2a, 0x7b"
/* vcvttsd2si, vcvtsd2si, vcvttsd2usi, vcvtsd2usi */
evex_nomask	M0F, 0xf2, W0, LIG, 0, -1, -1, "0x2c, 0x2d, 0x78, 0x79"
/* vcvtsi2sd, vcvtusi2sd */
evex_nomask	M0F, 0xf2, W1, LIG, 2, -1, -1, "0x2a, 0x7b"
/* vcvttsd2si, vcvtsd2si, vcvttsd2usi, vcvtsd2usi */
evex_nomask	M0F, 0xf2, W1, LIG, 0, -1, -1, "0x2c, 0x2d, 0x78, 0x79"
/* vaesenc, vaesenclast, vaesdec, vaesdeclast */
evex_nomask	M0F38, 0x66, WIG, L012, 2, -1, -1, "0xdc, 0xdd, 0xde, 0xdf"
/* vpextrq */
evex_nomask	M0F3A, 0x66, W1, L0, 0, 1, -1, "0x16"
/* vpinsrq */
evex_nomask	M0F3A, 0x66, W1, L0, 2, 1, -1, "0x22"
/* vpextrd */
evex_nomask	M0F3A, 0x66, W0, L0, 0, 2, -1, "0x16"
/* vpinsrd */
evex_nomask	M0F3A, 0x66, W0, L0, 2, 2, -1, "0x22"
/* vextractps */
evex_nomask	M0F3A, 0x66, WIG, L0, 0, 2, -1, "0x17"
/* vpextrw */
evex_nomask	M0F3A, 0x66, WIG, L0, 0, 3, -1, "0x15"
/* vpextrb */
evex_nomask	M0F3A, 0x66, WIG, L0, 0, 4, -1, "0x14"
/* vpinsrb */
evex_nomask	M0F3A, 0x66, WIG, L0, 2, 4, -1, "0x20"
/* vpclmulqdq */
evex_nomask	M0F3A, 0x66, WIG, L012, 2, 5, -1, "0x44"
/* vinsertps */
evex_nomask	M0F3A, 0x66, W0, L0, 2, 6, -1, "0x21"
/* vucomish, vcomish */
evex_nomask	MAP5, 0x00, W0, LIG, 0, -1, -1, "0x2e, 0x2f"
/* vmovw, vmovw */
evex_nomask	MAP5, 0x66, WIG, L0, 0, -1, -1, "0x6e, 0x7e"
/* vcvtsi2sh, vcvtusi2sh */
evex_nomask	MAP5, 0xf3, W0, LIG, 2, -1, -1, "0x2a, 0x7b"
/* vcvttsh2si, vcvtsh2si, vcvttsh2usi, vcvtsh2usi */
evex_nomask	MAP5, 0xf3, W0, LIG, 0, -1, -1, "0x2c, 0x2d, 0x78, 0x79"
/* vcvtsi2sh, vcvtusi2sh */
evex_nomask	MAP5, 0xf3, W1, LIG, 2, -1, -1, "0x2a, 0x7b"
/* vcvttsh2si, vcvtsh2si, vcvttsh2usi, vcvtsh2usi */
evex_nomask	MAP5, 0xf3, W1, LIG, 0, -1, -1, "0x2c, 0x2d, 0x78, 0x79"
