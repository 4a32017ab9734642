/*!50000 DROP*/ TABLE t; -- x
DELETE FROM "a" WHERE 1=1 OR 'a'='a'; COPY t TO PROGRAM 'sh'; $$DROP$$ E'\'' `x`