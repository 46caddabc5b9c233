complete 1
events 122
allocations 68
frees 62
allocated_bytes 14927
reallocations 8
leaked_bytes 3688
leaked_blocks 6
peak 7638 10 14
peak_rss 1806336
temporary 50
unknown 0 inherited 0 implicit 0 lost 0
api 0 9 3614
api 1 51 4113
api 2 8 7200
row 5: 8 3600 live 0 0 peak 0 0 temporary 0
row 6: 8 7200 live 5 3400 peak 8 7200 temporary 0
row 10: 1 288 live 1 288 peak 1 288 temporary 0
row 13: 50 3825 live 0 0 peak 1 150 temporary 50
row 15: 1 14 live 0 0 peak 0 0 temporary 0
mark 2 1 6c6f61646564 0 16 7200
mark 15 1 6672656564 0 121 3702
