suppressMessages({library(pROC); library(glmnet)})
show <- function(name, v) cat(name, ":", paste(format(v, digits=12), collapse=" "), "\n")
o <- read.csv("ovarian.csv"); o$kg <- 10 - o$totscore
r <- lapply(c(alb="alb", tp="tp", kg="kg"), function(n) roc(o$popind, o[[n]], quiet=TRUE, direction="<"))
for (n in names(r)) { show(paste("ovarian", n, "auc se ci"), c(auc(r[[n]]), sqrt(var(r[[n]])), ci.auc(r[[n]]))) }
for (p in list(c("alb","kg"), c("tp","kg"), c("alb","tp"))) {
  t <- roc.test(r[[p[1]]], r[[p[2]]]); show(paste("ovarian", p[1], p[2], "Z p ci"), c(t$statistic, t$p.value, t$conf.int)) }
cl <- read.csv("clustered.csv")
ra <- roc(cl$truth, cl$a, quiet=TRUE, direction="<"); rb <- roc(cl$truth, cl$b, quiet=TRUE, direction="<")
show("clustered a delong", c(auc(ra), sqrt(var(ra)), ci.auc(ra))); show("clustered b delong", c(auc(rb), sqrt(var(rb)), ci.auc(rb)))
t <- roc.test(ra, rb); show("clustered Z p", c(t$statistic, t$p.value, t$conf.int))
first <- cl$patient %% 2 == 0
u1 <- roc(cl$truth[first], cl$a[first], quiet=TRUE, direction="<"); u2 <- roc(cl$truth[!first], cl$b[!first], quiet=TRUE, direction="<")
t <- roc.test(u1, u2, paired=FALSE); show("unpaired D df p", c(t$statistic, t$parameter, t$p.value))
show("youden a", unlist(coords(ra, "best", best.method="youden", transpose=FALSE)[1,]))
d <- read.csv("glmnet.csv"); X <- as.matrix(d[,1:8])
lam <- c(0.5, 0.2, 0.05, 0.01)
g <- glmnet(X, d$y, family="gaussian", standardize=FALSE, lambda=lam, thresh=1e-14); cat("gaussian\n"); print(round(as.matrix(coef(g)), 6))
b <- glmnet(X, d$c, family="binomial", standardize=FALSE, lambda=c(0.2,0.1,0.03,0.005), thresh=1e-14); cat("binomial\n"); print(round(as.matrix(coef(b)), 6))
show("binomial lambda_max", max(glmnet(X, d$c, family="binomial", standardize=FALSE)$lambda))
show("gaussian lambda_max", max(glmnet(X, d$y, family="gaussian", standardize=FALSE)$lambda))
fold <- rep(1:5, length.out=nrow(X))
for (fam in c("gaussian","binomial")) {
  yy <- if (fam=="gaussian") d$y else d$c
  lmax <- max(glmnet(X, yy, family=fam, standardize=FALSE)$lambda); L <- exp(seq(log(lmax), log(lmax*1e-3), length.out=30))
  cv <- cv.glmnet(X, yy, family=fam, standardize=FALSE, lambda=L, foldid=fold, thresh=1e-14)
  show(paste(fam, "cvm"), cv$cvm[c(1,5,10,15,20,30)]); show(paste(fam, "cvsd"), cv$cvsd[c(1,5,10,15,20,30)])
  show(paste(fam, "lambda.min 1se"), c(cv$lambda.min, cv$lambda.1se)); print(round(as.matrix(coef(cv, s="lambda.1se")),6)) }
