complete 1
events 200
allocations 144
frees 71
allocated_bytes 41880
reallocations 14
leaked_bytes 28816
leaked_blocks 73
peak 28816 73 101140
peak_rss 4199901237
temporary 5
unknown 4 inherited 6 implicit 1 lost 1
api 0 26 236
api 1 18 8691
api 2 15 1
api 3 9 69
api 4 16 2
api 5 17 1004
api 6 3 0
api 8 20 4
api 9 2 8162
api 10 1 100
api 11 12 23576
api 12 2 32
api 13 3 3
row 0: 19 724 live 8 296 peak 8 296 temporary 0
row 1: 25 176 live 2 0 peak 2 0 temporary 3
row 2: 14 0 live 6 0 peak 6 0 temporary 0
row 3: 32 9169 live 19 4487 peak 19 4487 temporary 2
row 4: 19 23089 live 12 15392 peak 12 15392 temporary 0
row 5: 7 34 live 2 1 peak 2 1 temporary 0
row 6: 5 104 live 5 104 peak 5 104 temporary 0
row 7: 13 2753 live 9 2705 peak 9 2705 temporary 0
row 8: 1 1 live 1 1 peak 1 1 temporary 0
row 9: 3 0 live 3 0 peak 3 0 temporary 0
row 10: 3 5730 live 3 5730 peak 3 5730 temporary 0
row 11: 1 0 live 1 0 peak 1 0 temporary 0
row 12: 1 0 live 1 0 peak 1 0 temporary 0
row 13: 1 100 live 1 100 peak 1 100 temporary 0
mark 100204 0 35 0 29 80
